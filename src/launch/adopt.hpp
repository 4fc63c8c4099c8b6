// SPDX-License-Identifier: GPL-3.0-or-later
// A VM outlives its supervisor. This gives it another one.
#pragma once
#include "launch/background.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// Forks a supervisor for an orphan: it takes over QEMU's monitor and console, the helpers and the limits,
/// undoes or finishes an apply that was at work, and serves. Returns when it does. Of several who try this at
/// the same time one does it, and all return. Throws Error: VmDied where it ends meanwhile, RolledBack where
/// it could not be done (the guest runs on as it did), OutcomeUnknown; SystemError.
///
/// The new process keeps no descriptor of this one. `notes` of what is returned are for the user.
UpOutcome adopt(VmState& vm);

/// True for one that has started and has no supervisor, or not yet: somebody else may be giving it one.
bool can_be_adopted(const VmState& vm);

}  // namespace qvm::launch
