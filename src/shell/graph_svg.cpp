// SPDX-License-Identifier: GPL-3.0-or-later
// The layout: what a node uses is to its right, as far as the longest way to it. The nodes over which others
// were met first form trees; each leaf gets a row, each other node the middle of those below it. So no two
// nodes of a column are in each other's way.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/graph.hpp"
#include "shell/graph_walk.hpp"

namespace qvm::shell {
namespace {

// Pixels. The font is a monospaced one of 12, whichever the viewer has: 7.3 for a character is the widest.
constexpr double character = 7.3;
constexpr double box_height = 36;
constexpr double row_height = 48;
constexpr double column_gap = 70;
constexpr double margin = 16;
constexpr std::size_t longest_text = 44;

std::string xml_escaped(std::string_view text) {
    auto printable = escape_controls(text);
    // No character of XML, escaped or not.
    for (const std::string_view none : {"\xef\xbf\xbe", "\xef\xbf\xbf"})
        for (auto at = printable.find(none); at != std::string::npos; at = printable.find(none))
            printable.replace(at, none.size(), "?");
    std::string escaped;
    for (const char c : printable) {
        switch (c) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            case '"':
                escaped += "&quot;";
                break;
            case '\'':
                escaped += "&#39;";
                break;
            case '\t':
                escaped += ' ';
                break;
            default:
                escaped += c;
        }
    }
    return escaped;
}

std::string shortened(std::string_view whole) {
    auto text = escape_controls(whole);
    if (display_width(text) <= longest_text) return text;
    return std::string(cut_to_width(text, longest_text - 1)) + "…";
}

/// The second line of a box.
std::string details_of(const GraphNode& node) {
    return node.kind + (node.kind.empty() || node.note.empty() ? "" : "  ") + node.note;
}

class Drawing {
  public:
    explicit Drawing(const Graph& graph)
        : graph_(graph),
          walk_(graph),
          layer_(graph.nodes.size(), 0),
          y_(graph.nodes.size(), 0),
          width_(graph.nodes.size(), 0) {
        place_columns();
        place_rows();
    }

    std::string text() const {
        const double width = columns_.empty() ? 240 : columns_.back() + margin;
        const double height =
            margin * 2 + std::max(1.0, rows_) * row_height + (graph_.remark.empty() ? 0 : 20);
        std::string text = fmt::format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
            "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"monospace\" font-size=\"12\">\n"
            "<title>{2}</title>\n"
            "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" "
            "markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#555\"/></marker></defs>\n"
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            width, height, xml_escaped(graph_.title));
        for (std::size_t node = 0; node < graph_.nodes.size(); ++node)
            for (const auto& step : walk_.below[node]) text += edge(node, step);
        for (std::size_t node = 0; node < graph_.nodes.size(); ++node) text += box(node);
        if (!graph_.remark.empty())
            text += fmt::format("<text x=\"{}\" y=\"{:.0f}\" fill=\"#777\">{}</text>\n", margin, height - 8,
                                xml_escaped(graph_.remark));
        return text + "</svg>\n";
    }

  private:
    void place_columns() {
        // Backwards, each node comes before those that it leads to.
        for (auto node = walk_.finished.rbegin(); node != walk_.finished.rend(); ++node)
            for (const auto& step : walk_.below[*node])
                if (step.way != GraphWalk::Way::Back)
                    layer_[step.to] = std::max(layer_[step.to], layer_[*node] + 1);
        std::vector<double> widest;
        for (std::size_t node = 0; node < graph_.nodes.size(); ++node) {
            const auto& of = graph_.nodes[node];
            const auto longest =
                std::max(display_width(shortened(of.label)), display_width(shortened(details_of(of))));
            width_[node] = static_cast<double>(longest) * character + 16;
            widest.resize(std::max(widest.size(), layer_[node] + 1), 0);
            widest[layer_[node]] = std::max(widest[layer_[node]], width_[node]);
        }
        double x = margin;
        for (const auto width : widest) {
            left_.push_back(x);
            columns_.push_back(x + width);
            x += width + column_gap;
        }
    }

    void place_rows() {
        // A node is finished behind those below it, so their places are known.
        for (const auto node : walk_.finished) {
            double first = -1, last = -1;
            for (const auto& step : walk_.below[node]) {
                if (step.way != GraphWalk::Way::Tree) continue;
                if (first < 0) first = y_[step.to];
                last = y_[step.to];
            }
            y_[node] = first < 0 ? margin + rows_++ * row_height + box_height / 2 : (first + last) / 2;
        }
    }

    std::string box(std::size_t number) const {
        const auto& node = graph_.nodes[number];
        const double x = left_[layer_[number]];
        const double top = y_[number] - box_height / 2;
        std::string text = fmt::format(
            "<g><title>{}</title><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" rx=\"4\" "
            "fill=\"#f4f6fa\" stroke=\"#456\"/>",
            xml_escaped(node.label + " " + details_of(node)), x, top, width_[number], box_height);
        text += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-weight=\"bold\">{}</text>", x + 8, top + 15,
                            xml_escaped(shortened(node.label)));
        text += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"#555\">{}</text></g>\n", x + 8, top + 30,
                            xml_escaped(shortened(details_of(node))));
        return text;
    }

    std::string edge(std::size_t from, const GraphWalk::Step& step) const {
        const double x1 = left_[layer_[from]] + width_[from];
        const double x2 = left_[layer_[step.to]];
        const double y1 = y_[from], y2 = y_[step.to];
        const bool back = step.way == GraphWalk::Way::Back;
        const double bend = back ? column_gap : std::max(20.0, (x2 - x1) / 2);
        std::string text = fmt::format(
            "<path d=\"M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}\" fill=\"none\" "
            "stroke=\"#555\"{} "
            "marker-end=\"url(#arrow)\"/>\n",
            x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2, back ? " stroke-dasharray=\"4 3\"" : "");
        const auto& label = graph_.edges[step.edge].label;
        if (!label.empty())
            text +=
                fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"#777\" text-anchor=\"end\">{}</text>\n",
                            x2 - 10, y2 - 5, xml_escaped(shortened(label)));
        return text;
    }

    const Graph& graph_;
    GraphWalk walk_;
    std::vector<std::size_t> layer_;
    std::vector<double> y_;  ///< the middle
    std::vector<double> width_;
    std::vector<double> left_;     ///< of a layer
    std::vector<double> columns_;  ///< the right end of a layer
    double rows_ = 0;
};

}  // namespace

std::string draw_svg(const Graph& graph) {
    return Drawing(graph).text();
}

}  // namespace qvm::shell
