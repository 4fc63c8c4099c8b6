// SPDX-License-Identifier: GPL-3.0-or-later
// Things and what they stand on, as a picture: a tree in the terminal, DOT for graphviz, or SVG.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

struct GraphNode {
    std::string id;     ///< unique in the graph
    std::string label;  ///< what a person calls it
    std::string kind;   ///< "qcow2", "device", "pcie-root-port"
    std::string note;   ///< anything else worth a glance
};

/// From what uses to what is used. One whose ends are no nodes is not drawn.
struct GraphEdge {
    std::string from, to;
    std::string label;
};

struct Graph {
    std::string title;
    std::vector<GraphNode> nodes;
    std::vector<GraphEdge> edges;
    std::string remark;  ///< what the picture does not show, and why; or nothing
};

/// What nothing uses is at the left. A node that several use is drawn out where it is met first, elsewhere it
/// is a reference ("see above"), which is also where a cycle ends.
std::vector<Line> draw_tree(const Graph& graph, std::size_t columns);
/// The dot language, for `dot -Tsvg`.
std::string draw_dot(const Graph& graph);
/// A file of its own: no script, no font, nothing from elsewhere.
std::string draw_svg(const Graph& graph);

}  // namespace qvm::shell
