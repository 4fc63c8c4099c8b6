// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/graph.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/graph_walk.hpp"
#include "shell/layout.hpp"

namespace qvm::shell {
namespace {

/// For a quoted string of the dot language, in which a backslash begins an escape.
std::string dot_quoted(std::string_view text) {
    std::string quoted;
    for (const char c : escape_controls(text)) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c == '\t' ? ' ' : c;
    }
    return quoted;
}

class Tree {
  public:
    Tree(const Graph& graph, std::size_t columns) : graph_(graph), walk_(graph), columns_(columns) {}

    std::vector<Line> draw() {
        for (const auto root : walk_.roots) {
            put("", nullptr, root, false);
            below(root);
        }
        if (graph_.nodes.empty()) lines_.push_back(fit({{"nothing to draw", Role::Dim}}, columns_));
        if (!graph_.remark.empty()) flow({span(graph_.remark, Role::Dim)}, 0, 0, columns_, lines_);
        return std::move(lines_);
    }

  private:
    /// One that is being drawn: what is left of it, and the strokes before what hangs below it. A list
    /// instead of recursion, as a chain may be as long as a guest or a user likes.
    struct Open {
        std::size_t node = 0;
        std::size_t next = 0;
        std::string before;
    };

    void below(std::size_t root) {
        const auto& strokes = tree_strokes();
        std::vector<Open> open{{root, 0, ""}};
        while (!open.empty()) {
            auto& at = open.back();
            const auto& steps = walk_.below[at.node];
            if (at.next == steps.size()) {
                open.pop_back();
                continue;
            }
            const auto& step = steps[at.next++];
            const bool last = at.next == steps.size();
            // What is right of the screen is not seen: its strokes need not grow further either.
            const bool off_screen = at.before.size() > 4 * columns_;
            const auto before = off_screen ? std::string_view() : last ? strokes.blank : strokes.line;
            put(at.before + std::string(last ? strokes.last_entry : strokes.entry), &graph_.edges[step.edge],
                step.to, step.way != GraphWalk::Way::Tree);
            if (step.way == GraphWalk::Way::Tree)
                open.push_back({step.to, 0, at.before + std::string(before)});
        }
    }

    void put(const std::string& strokes, const GraphEdge* edge, std::size_t number, bool reference) {
        const auto& node = graph_.nodes[number];
        Line line;
        if (!strokes.empty()) line.push_back({strokes, Role::Dim});
        if (edge != nullptr && !edge->label.empty()) line.push_back(span(edge->label + ": ", Role::Key));
        line.push_back(span(node.label, Role::Name));
        if (reference) {
            line.push_back({" (see above)", Role::Dim});
        } else {
            if (!node.kind.empty()) line.push_back(span(" [" + node.kind + "]"));
            if (!node.note.empty()) line.push_back(span(" " + node.note, Role::Dim));
        }
        lines_.push_back(fit(std::move(line), columns_));
    }

    const Graph& graph_;
    GraphWalk walk_;
    std::size_t columns_;
    std::vector<Line> lines_;
};

}  // namespace

GraphWalk::GraphWalk(const Graph& graph) : below(graph.nodes.size()) {
    const auto count = graph.nodes.size();
    std::map<std::string_view, std::size_t> numbers;
    for (std::size_t i = 0; i < count; ++i) numbers.emplace(graph.nodes[i].id, i);
    std::vector<bool> used(count, false);
    for (std::size_t i = 0; i < graph.edges.size(); ++i) {
        const auto from = numbers.find(graph.edges[i].from);
        const auto to = numbers.find(graph.edges[i].to);
        if (from == numbers.end() || to == numbers.end()) continue;
        below[from->second].push_back({i, to->second, Way::Tree});
        used[to->second] = true;
    }
    enum class State { New, Open, Done };
    std::vector<State> states(count, State::New);
    const auto walk_from = [&](std::size_t root) {
        roots.push_back(root);
        std::vector<std::pair<std::size_t, std::size_t>> open{{root, 0}};
        states[root] = State::Open;
        while (!open.empty()) {
            const auto node = open.back().first;
            if (open.back().second == below[node].size()) {
                states[node] = State::Done;
                finished.push_back(node);
                open.pop_back();
                continue;
            }
            auto& step = below[node][open.back().second++];
            if (states[step.to] == State::New) {
                states[step.to] = State::Open;
                open.emplace_back(step.to, 0);
            } else {
                step.way = states[step.to] == State::Open ? Way::Back : Way::Further;
            }
        }
    };
    for (std::size_t i = 0; i < count; ++i)
        if (!used[i]) walk_from(i);
    // What is left are cycles that nothing leads into.
    for (std::size_t i = 0; i < count; ++i)
        if (states[i] == State::New) walk_from(i);
}

std::vector<Line> draw_tree(const Graph& graph, std::size_t columns) {
    return Tree(graph, columns).draw();
}

std::string draw_dot(const Graph& graph) {
    std::string text =
        fmt::format("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n",
                    dot_quoted(graph.title));
    for (const auto& node : graph.nodes) {
        text += fmt::format("  \"{}\" [label=\"{}", dot_quoted(node.id), dot_quoted(node.label));
        for (const auto* more : {&node.kind, &node.note})
            if (!more->empty()) text += "\\n" + dot_quoted(*more);
        text += "\"];\n";
    }
    for (const auto& edge : graph.edges)
        text += fmt::format("  \"{}\" -> \"{}\" [label=\"{}\"];\n", dot_quoted(edge.from),
                            dot_quoted(edge.to), dot_quoted(edge.label));
    return text + "}\n";
}

}  // namespace qvm::shell
