// SPDX-License-Identifier: GPL-3.0-or-later
// [host-device.X]: a device of this host that the VM has for itself.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

void lower_host_devices(Lowering& lowering);

}  // namespace qvm::config
