// SPDX-License-Identifier: GPL-3.0-or-later
// Any command in a jail of its own: `qvm jail -- CMD`.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jail/spawn.hpp"
#include "jail/spec.hpp"

namespace qvm::launch {

/// What the command line says, word by word.
struct CommandWords {
    std::vector<std::string> command;  ///< a program's name or path, and its arguments
    std::string profile = "command";
    std::string net = "none";
    std::string landlock;              ///< empty: as the profile has it
    std::vector<std::string> bind_ro;  ///< SRC[:DST]
    std::vector<std::string> bind_rw;
    std::vector<std::string> tmpfs;
    std::vector<std::string> env;     ///< NAME[=VALUE]
    std::vector<std::string> limits;  ///< NAME=VALUE
    std::vector<int> fds;             ///< kept under their numbers
    std::optional<std::uint32_t> uid;
    bool proc = false;
    bool log = false;
};

/// "SRC[:DST]", DST absolute; SRC is made absolute, and DST is SRC when it is not given. What is writable is
/// never executable.
jail::Bind parse_bind(const std::string& text, bool writable);
/// "nofile=256", "fsize=1G". Throws Error (Usage), as parse_bind() does.
jail::Limit parse_limit(const std::string& text);

/// Its Spec: streams and terminal are ours, and it ends with us. Throws Error.
jail::Spec command_spec(const CommandWords& words);

/// Runs it to its end. SIGINT, SIGQUIT, SIGTERM and SIGHUP that somebody sends us are passed on; those of the
/// terminal reach it without us. Throws jail::SetupError, SystemError.
jail::ExitStatus run_command(const jail::Spec& spec);

/// The process's own status, or 128 and the number of the signal that killed it, as a shell says it.
int shell_status(const jail::ExitStatus& status);

}  // namespace qvm::launch
