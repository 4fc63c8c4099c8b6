// SPDX-License-Identifier: GPL-3.0-or-later
// The command that starts QEMU, read out of a shell script without running it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace qvm::config {

struct ShellCommand {
    std::vector<std::string> words;     ///< empty if the script runs no QEMU
    std::vector<std::string> warnings;  ///< what only a shell could know
};

/// The first command of `script` that starts QEMU, from QEMU's name on. Quotes, continued lines, comments and
/// redirections are read as a POSIX shell does; so are variables and arrays that the script itself sets to
/// plain words. Other expansions stay as they are written, with a warning.
ShellCommand qemu_command(std::string_view script);

/// "/usr/bin/qemu-system-x86_64", "qemu-kvm", "kvm"
bool is_qemu_name(std::string_view word);

}  // namespace qvm::config
