// SPDX-License-Identifier: GPL-3.0-or-later
// Starts a VM again after its guest's reboot (lifecycle.on-reboot = "restart"). A supervisor gives up the
// right to start anything once its VM runs; the spawner keeps it, and listens to nobody: all it hears is how
// its child has ended.
#pragma once
#include <span>

#include "base/fd.hpp"

namespace qvm::launch {

/// The exit status of a supervisor whose VM is to be started again.
inline constexpr int start_again = 75;

/// Forks a process for each life of the VM and returns only in those: 0 in the first, 1 in the next. The
/// process that called it becomes the spawner, which hands on signals that were sent to it alone, and ends as
/// its child does when that does not ask for another life. `first_life_only`: descriptors that the spawner
/// and later lives drop. Throws SystemError when the first fork fails.
unsigned stay_behind_as_spawner(std::span<Fd* const> first_life_only);

}  // namespace qvm::launch
