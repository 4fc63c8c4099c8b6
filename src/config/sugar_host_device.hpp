// SPDX-License-Identifier: GPL-3.0-or-later
// [host-device.X]: a device of this host that the VM has for itself.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

void lower_host_devices(Lowering& lowering);

/// False, once reported, if `said` is no name of a USB device. `where`: the key that says it.
bool check_usb_name(Lowering& lowering, const Value& said, const std::string& where);

}  // namespace qvm::config
