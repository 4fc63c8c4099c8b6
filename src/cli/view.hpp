// SPDX-License-Identifier: GPL-3.0-or-later
// A window to a VM's screen.
#pragma once
#include "launch/state.hpp"

namespace qvm::cli {

/// Starts a viewer, as who runs this, outside of any jail; it goes on alone. Throws Error: Usage for a VM
/// without a display, HostCannot where there is no desktop or no viewer, NoSuchVm for one that does not run.
void open_window(const launch::VmState& vm);

}  // namespace qvm::cli
