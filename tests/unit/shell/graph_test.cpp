// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/graph.hpp"

#include <clocale>
#include <cstdio>
#include <map>
#include <set>
#include <tuple>

#include "shell/graph_builder.hpp"
#include "unit/shell/pictures.hpp"

using namespace qvm;
using namespace qvm::shell;
using namespace qvm::test;

namespace {

/// Answers everything from what was saved; commands in `failing` fail.
Graph built(GraphBuilder& builder, const Json& replies, const std::set<std::string>& failing = {}) {
    while (!builder.done()) {
        for (const auto& query : builder.next()) {
            const auto found = replies.find(query.command);
            const bool ok = found != replies.end() && !failing.contains(query.command);
            builder.absorb(query.number, ok ? &*found : nullptr);
        }
    }
    return builder.graph();
}

/// The objects of a small machine, as qom-list tells them.
const Json& objects() {
    static const auto replies = Json::parse(R"({
        "/": [{"name": "type", "type": "string"}, {"name": "machine", "type": "child<pc-q35-7.2-machine>"}],
        "/machine": [{"name": "device[10]", "type": "child<isa-pit>"}, {"name": "device[9]", "type": "child<i8042>"},
                     {"name": "irq[0]", "type": "child<irq>"}, {"name": "irq[1]", "type": "child<irq>"},
                     {"name": "ram", "type": "child<memory-region>"}, {"name": "bus", "type": "link<bus>"}],
        "/machine/device[10]": []})");
    return replies;
}

Graph qom_built(std::string_view path) {
    const auto builder = qom_graph(path);
    while (!builder->done()) {
        for (const auto& query : builder->next()) {
            CHECK(query.command == "qom-list");
            const auto found = objects().find(Json::parse(query.arguments)["path"].get<std::string>());
            builder->absorb(query.number, found == objects().end() ? nullptr : &*found);
        }
    }
    return builder->graph();
}

struct Box {
    double x = 0, y = 0, width = 0, height = 0;
};

std::vector<Box> boxes_of(const std::string& svg) {
    std::vector<Box> boxes;
    for (auto at = svg.find("<rect x="); at != std::string::npos; at = svg.find("<rect x=", at + 1)) {
        Box box;
        REQUIRE(std::sscanf(svg.c_str() + at, R"(<rect x="%lf" y="%lf" width="%lf" height="%lf")", &box.x,
                            &box.y, &box.width, &box.height) == 4);
        boxes.push_back(box);
    }
    return boxes;
}

bool overlap(const Box& a, const Box& b) {
    return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

void check_no_overlap(const Graph& graph) {
    const auto boxes = boxes_of(draw_svg(graph));
    CHECK(boxes.size() == graph.nodes.size());
    for (std::size_t i = 0; i < boxes.size(); ++i)
        for (std::size_t k = i + 1; k < boxes.size(); ++k)
            if (overlap(boxes[i], boxes[k])) FAIL(graph.nodes[i].label + " and " + graph.nodes[k].label);
}

/// a uses b and c, both use d, and d uses a.
Graph diamond() {
    return {"diamond",
            {{"a", "a", "root", ""}, {"b", "b", "", ""}, {"c", "c", "", ""}, {"d", "d", "", "shared"}},
            {{"a", "b", "left"},
             {"a", "c", ""},
             {"b", "d", ""},
             {"c", "d", ""},
             {"d", "a", "round"},
             {"d", "x", ""}},
            ""};
}

}  // namespace

TEST_CASE("Graphs of real QEMUs") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    for (const auto* version : saved_versions) {
        const auto replies = saved_replies(version);
        std::string all;
        for (const auto* kind : {"block", "pci"}) {
            const auto graph = built(*graph_named(kind, ""), replies);
            all += text_of(draw_tree(graph, 80)) + "\n";
            check_no_overlap(graph);
        }
        check_picture(std::string("graph-") + version + ".txt", all);
        const auto block = built(*block_graph(), replies);
        check_picture(std::string("graph-block-") + version + ".dot", draw_dot(block));
    }
    check_picture("graph-block-7.2.svg", draw_svg(built(*block_graph(), saved_replies("7.2"))));
}

TEST_CASE("A block graph is drawn from what a QEMU does tell") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const std::string unstable = "x-debug-query-block-graph";
    const auto old_one = built(*block_graph(), saved_replies("7.2"), {unstable});
    CHECK(old_one.remark == "What a node is made of is not told: x-debug-query-block-graph failed.");
    const auto tree = text_of(draw_tree(old_one, 80));
    CHECK(tree.find("disk0 [device]\n└─ thr [throttle] 64M rw\n") != std::string::npos);
    const auto newer = built(*block_graph(), saved_replies("11.1"), {unstable});
    CHECK(newer.remark == "Jobs are missing: x-debug-query-block-graph failed.");
    CHECK(text_of(draw_tree(newer, 80)).find("      └─ file: f0 [file]") != std::string::npos);
    const auto nothing = built(*block_graph(), Json::object());
    CHECK(nothing.nodes.empty());
    CHECK(nothing.remark.find("query-named-block-nodes failed") != std::string::npos);
    CHECK(text_of(draw_tree(nothing, 80)).find("nothing to draw\n") == 0);
    CHECK(built(*pci_graph(), Json::object()).remark.find("query-pci failed") == 0);
}

TEST_CASE("The composition tree is walked step by step") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    // device[9] went away between two queries.
    CHECK(text_of(draw_tree(qom_built("/"), 60)) == R"(/
└─ machine [pc-q35-7.2-machine] + 2 irq, 1 memory-region
   ├─ device[9] [i8042]
   └─ device[10] [isa-pit]
1 objects went away meanwhile.
)");
    CHECK(qom_built("/machine/device[10]/").nodes.size() == 1);
    CHECK(qom_built("/nothing").remark == "There is no object /nothing.");

    const auto builder = qom_graph("/");
    CHECK(builder->next().size() == 1);
    CHECK(builder->next().empty());
    CHECK_FALSE(builder->done());
    builder->absorb(7, nullptr);  // an answer to nothing
    builder->absorb(0, &objects()["/"]);
    builder->absorb(0, &objects()["/"]);
    CHECK(builder->next().size() == 1);
    CHECK_FALSE(graph_named("network", ""));
}

TEST_CASE("What is shared is drawn once, and a cycle ends") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    CHECK(text_of(draw_tree(diamond(), 60)) == R"(a [root]
├─ left: b
│  └─ d shared
│     └─ round: a (see above)
└─ c
   └─ d (see above)
)");
    std::setlocale(LC_CTYPE, "C");
    CHECK(text_of(draw_tree(diamond(), 12)) == R"(a [root]
|- left: b
|  `- d sha>
|     `- ro>
`- c
   `- d (se>
)");
    std::setlocale(LC_CTYPE, "C.UTF-8");
    check_no_overlap(diamond());
    CHECK(draw_svg(diamond()).find("stroke-dasharray") != std::string::npos);
    Graph self{"", {{"a", "a", "", ""}}, {{"a", "a", ""}}, ""};
    CHECK(text_of(draw_tree(self, 60)) == "a\n└─ a (see above)\n");
    check_no_overlap(self);
    check_no_overlap({});
}

TEST_CASE("A very long chain is drawn, too") {
    Graph chain{"chain", {}, {}, ""};
    for (int i = 0; i < 20'000; ++i) {
        chain.nodes.push_back({std::to_string(i), std::to_string(i), "", ""});
        if (i != 0) chain.edges.push_back({std::to_string(i - 1), std::to_string(i), ""});
    }
    for (const std::size_t columns : {0, 20, 80}) {
        const auto lines = draw_tree(chain, columns);
        CHECK(lines.size() == 20'000);
        CHECK(widest(lines) <= columns);
    }
    CHECK(boxes_of(draw_svg(chain)).size() == 20'000);
}

TEST_CASE("No text of a guest or a user gets out of its place in a picture") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const std::string evil = "\"</text><script>&'\\\x1b[2J\x01\xff\xef\xbf\xbf\n";
    const Graph graph{evil, {{evil, evil, evil, evil}, {"b", "b", "", ""}}, {{evil, "b", evil}}, evil};
    const auto svg = draw_svg(graph);
    CHECK(svg.find("<script") == std::string::npos);
    CHECK(svg.find("\xef\xbf\xbf") == std::string::npos);
    for (const char c : {'\x1b', '\x01', '\xff'}) {
        CHECK(svg.find(c) == std::string::npos);
        CHECK(draw_dot(graph).find(c) == std::string::npos);
        CHECK(text_of(draw_tree(graph, 80)).find(c) == std::string::npos);
    }
    CHECK(draw_dot(graph).find(R"(label="\"</text><script>&'\\\\x1b[2J)") != std::string::npos);
}

TEST_CASE("Damaged replies still make a graph") {
    for (const auto* version : saved_versions) {
        auto replies = saved_replies(version);
        for (const auto* command :
             {"x-debug-query-block-graph", "query-block", "query-named-block-nodes", "query-pci"}) {
            auto& reply = replies[command];
            for_each_damage(replies, reply, 2, [](const Json& damaged) {
                for (const auto* kind : {"block", "pci"}) {
                    const auto graph = built(*graph_named(kind, ""), damaged);
                    if (widest(draw_tree(graph, 40)) > 40) FAIL(kind);
                }
            });
        }
    }
}
