// SPDX-License-Identifier: GPL-3.0-or-later
// The shell from its beginning to its end: the one place that joins it with a user interface and an event
// loop.
#pragma once
#include "shell/shell.hpp"

namespace qvm::shell {

enum class UiKind { Screen, Json, Plain };

struct AppOptions {
    ShellOptions shell;
    UiKind ui = UiKind::Screen;
    bool colour = true;
    bool mouse = false;
};

/// Returns when the user leaves. Throws Error (no terminal, a TERM nobody knows).
void run(AppOptions options);

}  // namespace qvm::shell
