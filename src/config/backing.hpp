// SPDX-License-Identifier: GPL-3.0-or-later
// Block nodes that others lie over.
#pragma once
#include "config/resource.hpp"

namespace qvm::config {

/// Gives every block node whose format can name a backing file an explicit `backing` (null unless said),
/// because without it QEMU follows the image's header. `backing = false` is null.
void make_backing_explicit(Vm& vm);

/// Says `read-only = true` for each blockdev that others name, and that none of them writes: QEMU would open
/// it for writing, and take the lock of a writer. What the user says stays.
void make_backing_read_only(Vm& vm);

}  // namespace qvm::config
