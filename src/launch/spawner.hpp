// SPDX-License-Identifier: GPL-3.0-or-later
// Starts what a supervisor may not start any more once its VM runs: the VM's next life, after a reboot of the
// guest or the death of a helper (lifecycle.on-reboot, on-helper-death = "restart"), and the commands of
// lifecycle.hooks. The spawner keeps the caller's rights. All it hears is how its child has ended, and which
// of the commands, fixed from the start on, to run.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// The exit status of a supervisor whose VM is to be started again.
inline constexpr int start_again = 75;

struct SpawnerOrder {
    std::vector<HookCommand> hooks;
    std::filesystem::path directory;  ///< that hooks run in
    /// What hooks find in their environment, beside the spawner's own and that of their event.
    std::vector<std::pair<std::string, std::string>> environment;
    /// Descriptors that the spawner and later lives drop.
    std::vector<Fd*> first_life_only;
};

/// As a VM's file and state say it.
SpawnerOrder spawner_order(const Applied& applied, const VmState& state, std::vector<Fd*> first_life_only);

/// Whether the VM needs one.
bool needs_spawner(const Applied& applied);

struct Life {
    unsigned number = 0;  ///< 0 is the first; of all later ones it is 1 or more
    Fd line;              ///< to the spawner, for HookLine; empty where there are no hooks
};

/// Forks a process for each life of the VM and returns only in those. The process that called it becomes the
/// spawner, which hands on signals that were sent to it alone, and ends as its child does when that does not
/// ask for another life; a hook that runs then ends with it. Throws SystemError when the first fork fails.
Life stay_behind_as_spawner(const SpawnerOrder& order);

}  // namespace qvm::launch
