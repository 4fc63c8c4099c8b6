// SPDX-License-Identifier: GPL-3.0-or-later
// An old session as a list of what to send, when, and what came back then.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "shell/json_diff.hpp"
#include "shell/transcript.hpp"

namespace qvm::shell {

struct ReplayStep {
    std::int64_t delay = 0;  ///< microseconds after the step before was sent; 0 for the first
    std::string command;
    std::string arguments;  ///< JSON; empty if there were none
    bool oob = false;
    ItemState state = ItemState::Ok;  ///< how it went then; Lost if nobody knows
    std::string reply;                ///< as it came; empty if it did not
    std::uint64_t item = 0;           ///< where it comes from
};

enum class ReplayTiming {
    AtOnce,  ///< the next when the reply has come
    AsThen,  ///< as long after the one before as it was then
};

struct Replay {
    std::vector<ReplayStep> steps;
    /// Items that cannot be replayed, each a sentence: messages that are no commands, masked secrets.
    std::vector<std::string> left_out;
};

/// The commands among the items, in their order. qmp_capabilities is left out without a word: whoever is
/// connected has sent it.
Replay replay_of(const std::vector<const Item*>& items, ReplayTiming timing);

/// How the reply now differs from the one then. Nothing to compare it with: no differences.
std::vector<JsonDifference> compare_replay(const ReplayStep& step, std::string_view reply);

}  // namespace qvm::shell
