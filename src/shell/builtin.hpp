// SPDX-License-Identifier: GPL-3.0-or-later
// The commands of the shell itself: /help, /filter, /graph and so on.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "shell/grammar.hpp"

namespace qvm::shell {

class Shell;

/// Called once, with true if it succeeded, when what the builtin began is over.
using Done = std::function<void(bool)>;

struct BuiltinCommand {
    const char* name;
    const char* arguments;
    const char* summary;
    /// Calls `done`, now or later. What goes wrong is said in the log.
    void (*run)(Shell&, const BuiltinCall&, const Done& done);
};

/// Sorted by name.
std::span<const BuiltinCommand> builtin_commands();
const BuiltinCommand* find_builtin(std::string_view name);

}  // namespace qvm::shell
