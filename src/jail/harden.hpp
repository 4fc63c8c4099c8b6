// SPDX-License-Identifier: GPL-3.0-or-later
// What a process takes from itself when it has all it needs: no jail, because it goes on where it is.
#pragma once
#include <string>
#include <vector>

#include "jail/landlock.hpp"

namespace qvm::jail {

struct Hardening {
    std::vector<PathRule> paths;  ///< all that can still be opened, made or removed, where Landlock is
    bool signals = false;         ///< as root: keeps CAP_KILL, to end processes of other users
};

/// For the calling thread and all it starts, for ever: no new privileges; not dumpable (nobody but root
/// traces it or reads its memory); as root no capability but CAP_KILL; no path but those named; no program
/// executed, no process made, no namespace, mount, trace, module, key, BPF program or foreign memory. Throws
/// SetupError.
void harden(const Hardening& hardening);

}  // namespace qvm::jail
