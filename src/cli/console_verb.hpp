// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <string>

#include "base/error.hpp"
#include "launch/state.hpp"

namespace qvm::cli {

/// `qvm console`, and what `qvm up --console` ends with: says how to leave, runs the console, says why it
/// ended.
ExitCode attend_console(const launch::VmState& vm, const std::string& escape);

}  // namespace qvm::cli
