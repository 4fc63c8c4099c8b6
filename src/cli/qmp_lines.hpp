// SPDX-License-Identifier: GPL-3.0-or-later
// `qvm qmp NAME -`: commands come on standard input, a line of JSON goes out for each.
#pragma once
#include "base/error.hpp"
#include "cli/attach.hpp"
#include "cli/command_runner.hpp"

namespace qvm::cli {

/// Until standard input ends and every command is answered. A command is sent when it has been read, not when
/// the one before it was answered; answers come out in the commands' order, {"return": ...} or {"error":
/// {"class": ..., "desc": ...}}. The exit status is 1 if any failed, 3 if the connection ended.
ExitCode run_lines(Attached& attached, const CommandRunner::Options& options);

}  // namespace qvm::cli
