// SPDX-License-Identifier: GPL-3.0-or-later
// The raw level: [object.X] .. [device.X] with QEMU's own keys, [host.X], [global.X], [option.X].
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// In the order they are written.
void lower_raw(Lowering& lowering);

}  // namespace qvm::config
