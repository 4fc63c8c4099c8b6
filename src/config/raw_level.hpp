// SPDX-License-Identifier: GPL-3.0-or-later
// The raw level: [object.X] .. [device.X] with QEMU's own keys, [host.X], [global.X], [option.X].
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// In the order they are written.
void lower_raw(Lowering& lowering);

/// Gives every block node whose format can name a backing file an explicit `backing` (null unless said),
/// because without it QEMU follows the image's header. `backing = false` is null.
void make_backing_explicit(Vm& vm);

}  // namespace qvm::config
