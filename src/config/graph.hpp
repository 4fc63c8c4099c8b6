// SPDX-License-Identifier: GPL-3.0-or-later
// The order in which resources can be made.
#pragma once
#include <cstddef>
#include <vector>

namespace qvm::config {

struct Order {
    /// All indexes; each after what it depends on, and otherwise as they were. What is in a cycle, or behind
    /// one, keeps its place among the rest at the end.
    std::vector<std::size_t> order;
    /// Each cycle once: every element depends on the next, the last on the first.
    std::vector<std::vector<std::size_t>> cycles;
};

/// `depends_on[i]` are the indexes that i needs; repetitions are harmless.
Order order_of(const std::vector<std::vector<std::size_t>>& depends_on);

}  // namespace qvm::config
