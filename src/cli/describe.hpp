// SPDX-License-Identifier: GPL-3.0-or-later
// What `ls` and `status` tell of a VM without asking it.
#pragma once
#include <optional>
#include <string>

#include "base/json.hpp"
#include "launch/state.hpp"

namespace qvm::cli {

struct Summary {
    std::string name;
    launch::Condition condition = launch::Condition::Stopped;
    std::string state;   ///< "running", "starting", "orphaned", "stopped", "died"
    std::string detail;  ///< a sentence: how it ended, what to do about an orphan
    std::string since;   ///< "3 min", or ""
    std::string accel;
    std::string file;
    std::optional<launch::Applied> applied;

    Json to_json() const;
};

/// By the locks and the state file; a damaged state file is told in `detail`.
Summary summarize(const launch::VmState& vm);

}  // namespace qvm::cli
