// SPDX-License-Identifier: GPL-3.0-or-later
// A person's (or a pipe's) side of a VM's console.
#pragma once
#include <string>

#include "launch/state.hpp"

namespace qvm::cli {

enum class ConsoleEnd {
    Left,    ///< the escape sequence, or a signal
    Closed,  ///< the VM or its supervisor has ended
};

/// Copies between the console's socket and standard input and output until one side ends. On a terminal keys
/// go to the guest as they are typed (Ctrl-C too); `escape` (a control character) then '.' leaves, twice
/// sends it. The terminal is restored on every way out, signals included. Throws SystemError when there is no
/// console.
ConsoleEnd run_console(const launch::VmState& vm, char escape);

/// "^]" or "ctrl-]" or the character itself -> the control character. Throws Error (Usage).
char parse_escape(const std::string& text);
/// "Ctrl-]"
std::string escape_name(char escape);

}  // namespace qvm::cli
