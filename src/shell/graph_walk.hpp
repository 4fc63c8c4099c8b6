// SPDX-License-Identifier: GPL-3.0-or-later
// The order in which a graph is drawn.
#pragma once
#include <cstddef>
#include <vector>

#include "shell/graph.hpp"

namespace qvm::shell {

/// A walk over all nodes, each once, along the edges and in their order.
struct GraphWalk {
    enum class Way {
        Tree,     ///< the edge over which its end was met first
        Further,  ///< its end had been met before
        Back,     ///< the same, and its end leads to it: a cycle
    };
    struct Step {
        std::size_t edge = 0;
        std::size_t to = 0;  ///< a node
        Way way = Way::Tree;
    };

    explicit GraphWalk(const Graph& graph);

    std::vector<std::size_t> roots;        ///< nodes that the walk began at
    std::vector<std::vector<Step>> below;  ///< by node
    std::vector<std::size_t> finished;     ///< all nodes, each behind those that it leads to, but for cycles
};

}  // namespace qvm::shell
