// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/graph.hpp"

#include "support/catch.hpp"

using qvm::config::order_of;
using Indexes = std::vector<std::size_t>;

TEST_CASE("without dependencies everything stays where it is") {
    CHECK(order_of({}).order.empty());
    CHECK(order_of({{}, {}, {}}).order == Indexes{0, 1, 2});
}

TEST_CASE("each comes after what it needs, and the rest keeps its order") {
    CHECK(order_of({{3}, {}, {0}, {}}).order == Indexes{1, 3, 0, 2});
    CHECK(order_of({{1, 1, 2}, {2}, {}}).order == Indexes{2, 1, 0});
    CHECK(order_of({{}, {0}, {0}, {1, 2}}).order == Indexes{0, 1, 2, 3});
}

TEST_CASE("every cycle is told once, in its order") {
    const auto self = order_of({{0}});
    CHECK(self.cycles == std::vector<Indexes>{{0}});
    CHECK(self.order == Indexes{0});
    const auto two = order_of({{1}, {0}, {3}, {2}, {}});
    CHECK(two.cycles == std::vector<Indexes>{{0, 1}, {2, 3}});
    CHECK(two.order == Indexes{4, 0, 1, 2, 3});
    // 0 only leads into the cycle of 1, 2 and 3.
    const auto tail = order_of({{1}, {2}, {3}, {1}});
    CHECK(tail.cycles == std::vector<Indexes>{{1, 2, 3}});
    CHECK(tail.order.size() == 4);
}

TEST_CASE("a thousand small cycles are no trouble") {
    std::vector<Indexes> edges;
    for (std::size_t i = 0; i < 2000; ++i) edges.push_back({i ^ 1U});
    CHECK(order_of(edges).cycles.size() == 1000);
}
