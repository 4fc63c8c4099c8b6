// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/graph.hpp"

#include <algorithm>
#include <functional>
#include <queue>

namespace qvm::config {
namespace {

using Edges = std::vector<std::vector<std::size_t>>;

/// Moves what can be made into `order`, smallest index first; `done` says what has been.
void take_ready(const Edges& depends_on, const Edges& needed_by, std::vector<bool>& done,
                std::vector<std::size_t>& order) {
    std::vector<std::size_t> waiting(depends_on.size(), 0);
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t i = 0; i < depends_on.size(); ++i) {
        for (const std::size_t d : depends_on[i]) waiting[i] += done[d] ? 0 : 1;
        if (!done[i] && waiting[i] == 0) ready.push(i);
    }
    while (!ready.empty()) {
        const std::size_t next = ready.top();
        ready.pop();
        done[next] = true;
        order.push_back(next);
        for (const std::size_t user : needed_by[next])
            if (!done[user] && --waiting[user] == 0) ready.push(user);
    }
}

/// Follows dependencies that are not done from `start` until one comes again.
std::vector<std::size_t> find_cycle(const Edges& depends_on, const std::vector<bool>& done,
                                    std::size_t start) {
    std::vector<std::size_t> way;
    std::vector<bool> seen(depends_on.size(), false);
    for (std::size_t at = start;;) {
        if (seen[at]) {
            way.erase(way.begin(), std::ranges::find(way, at));
            return way;
        }
        seen[at] = true;
        way.push_back(at);
        // What is not done waits for something that is not done either: that is why it is left.
        at = *std::ranges::find_if(depends_on[at], [&](std::size_t d) { return !done[d]; });
    }
}

}  // namespace

Order order_of(const Edges& depends_on) {
    Edges needed_by(depends_on.size());
    for (std::size_t i = 0; i < depends_on.size(); ++i)
        for (const std::size_t d : depends_on[i]) needed_by[d].push_back(i);

    Order result;
    std::vector<bool> done(depends_on.size(), false);
    take_ready(depends_on, needed_by, done, result.order);
    const std::size_t sound = result.order.size();
    while (result.order.size() < depends_on.size()) {
        const auto start = static_cast<std::size_t>(std::ranges::find(done, false) - done.begin());
        auto cycle = find_cycle(depends_on, done, start);
        for (const std::size_t member : cycle) {
            done[member] = true;
            result.order.push_back(member);
        }
        result.cycles.push_back(std::move(cycle));
        take_ready(depends_on, needed_by, done, result.order);
    }
    std::sort(result.order.begin() + static_cast<std::ptrdiff_t>(sound), result.order.end());
    return result;
}

}  // namespace qvm::config
