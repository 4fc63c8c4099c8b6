// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs of the command line: each file of this folder adds one or a few to the parser.
#pragma once
#include <functional>

#include "base/error.hpp"

namespace CLI {
class App;
}

namespace qvm::cli {

/// What the parsed command line asks for; run after parsing, so that its exceptions meet main()'s.
using Action = std::function<ExitCode()>;

/// The exit status of `qvm jail -- CMD` and `qvm ssh` for failures of ours: all others are CMD's own.
inline constexpr auto command_failed = static_cast<ExitCode>(125);

void add_check(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_show(CLI::App& app, Action& action);
/// A file from a template.
void add_new(CLI::App& app, Action& action);
/// A file from a command line of QEMU.
void add_import(CLI::App& app, Action& action);
void add_fmt(CLI::App& app, Action& action);
/// What a key, or a word of QEMU's, means.
void add_explain(CLI::App& app, Action& action);
/// The language as a JSON Schema; a QEMU in a file.
void add_schema(CLI::App& app, Action& action);
void add_diff(CLI::App& app, Action& action);
void add_up(CLI::App& app, Action& action);
void add_adopt(CLI::App& app, Action& action);
void add_apply(CLI::App& app, Action& action);
void add_ls(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_console(CLI::App& app, Action& action);
/// The user's own ssh(1), at the port that leads to the guest's.
void add_ssh(CLI::App& app, Action& action);
/// A viewer of VNC.
void add_view(CLI::App& app, Action& action);
void add_screenshot(CLI::App& app, Action& action);
/// The shell.
void add_attach(CLI::App& app, Action& action);
void add_qmp(CLI::App& app, Action& action);
void add_events(CLI::App& app, Action& action);
void add_log(CLI::App& app, Action& action);
/// pause, resume, reset: one QMP command each.
void add_pause_resume_reset(CLI::App& app, Action& action);
void add_stop(CLI::App& app, Action& action);
/// stop and up.
void add_restart(CLI::App& app, Action& action);
void add_kill(CLI::App& app, Action& action);
void add_rm(CLI::App& app, Action& action);
/// jail -- CMD, jail plan, jail log.
void add_jail(CLI::App& app, Action& action);
void add_version(CLI::App& app, Action& action);

}  // namespace qvm::cli
