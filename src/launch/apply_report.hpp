// SPDX-License-Identifier: GPL-3.0-or-later
// How an apply went, as `qvm apply` says it: its exit status, and as JSON. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"
#include "launch/applier.hpp"
#include "launch/diff.hpp"

namespace qvm::launch {

/// What of a difference an apply leaves.
enum class Rest { Nothing, Replugs, NextStart };
Rest rest_of(const Difference& difference, bool replug);

/// The exit status of an apply that a supervisor has answered.
ExitCode exit_code_of(const ApplyOutcome& outcome, Rest rest);

/// What the exit status means of `apply`; see qvm(1), EXIT STATUS.
std::string_view meaning_of(ExitCode code);

/// What `apply --json` prints.
struct ApplyReport {
    std::string vm;
    std::uint64_t generation = 0, revision = 0;  ///< of what was compared with the file
    Json changes = Json::array();                ///< to_json(Difference)
    ApplyOutcome outcome;                        ///< empty where nothing was sent
    ExitCode code = ExitCode::Ok;
    std::string error, advice;      ///< what kept it from being done, if anything did
    Json findings = Json::array();  ///< what is wrong with the file: Diagnostics::to_json
    Json to_json() const;
};

}  // namespace qvm::launch
