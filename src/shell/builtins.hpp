// SPDX-License-Identifier: GPL-3.0-or-later
// What each of the shell's commands does; the table with their words is in builtins.cpp.
#pragma once
#include "shell/builtin.hpp"

namespace qvm::shell::builtins {

/// Says why in the log, and that it failed.
void fail(Shell& shell, const Done& done, std::string why);

// builtins_screen.cpp
void alias(Shell& shell, const BuiltinCall& call, const Done& done);
void bind(Shell& shell, const BuiltinCall& call, const Done& done);
void clear(Shell& shell, const BuiltinCall& call, const Done& done);
void filter(Shell& shell, const BuiltinCall& call, const Done& done);
void help(Shell& shell, const BuiltinCall& call, const Done& done);
void keys(Shell& shell, const BuiltinCall& call, const Done& done);
void quit(Shell& shell, const BuiltinCall& call, const Done& done);
void search(Shell& shell, const BuiltinCall& call, const Done& done);
void set(Shell& shell, const BuiltinCall& call, const Done& done);
void view(Shell& shell, const BuiltinCall& call, const Done& done);
void window(Shell& shell, const BuiltinCall& call, const Done& done);

// builtins_files.cpp
void diff(Shell& shell, const BuiltinCall& call, const Done& done);
void export_(Shell& shell, const BuiltinCall& call, const Done& done);
void load(Shell& shell, const BuiltinCall& call, const Done& done);
void log(Shell& shell, const BuiltinCall& call, const Done& done);
void macro(Shell& shell, const BuiltinCall& call, const Done& done);
void replay(Shell& shell, const BuiltinCall& call, const Done& done);
void save(Shell& shell, const BuiltinCall& call, const Done& done);

// builtins_pictures.cpp
void graph(Shell& shell, const BuiltinCall& call, const Done& done);
void hmp(Shell& shell, const BuiltinCall& call, const Done& done);
void top(Shell& shell, const BuiltinCall& call, const Done& done);

// builtins_server.cpp
void job(Shell& shell, const BuiltinCall& call, const Done& done);
void reconnect(Shell& shell, const BuiltinCall& call, const Done& done);
void wait(Shell& shell, const BuiltinCall& call, const Done& done);
void watch(Shell& shell, const BuiltinCall& call, const Done& done);

}  // namespace qvm::shell::builtins
