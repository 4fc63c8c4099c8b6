// SPDX-License-Identifier: GPL-3.0-or-later
// What stands below `qvm jail`, and what `qvm status --jail` shares with it.
#pragma once
#include <string>

#include "cli/verbs.hpp"

namespace qvm::cli {

void add_jail_plan(CLI::App& jail, Action& action);
void add_jail_log(CLI::App& jail, Action& action);

/// `qvm status --jail`.
ExitCode jail_status(const std::string& word, bool json);

}  // namespace qvm::cli
