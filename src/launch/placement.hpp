// SPDX-License-Identifier: GPL-3.0-or-later
// Gives every device a bus and an address. Pure and deterministic.
#pragma once
#include <string>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// Where QEMU takes a device: on its command line, or by QMP while it is not yet running (and later).
enum class Placement { Argv, Qmp };

/// Adds the pcie-root-ports that are needed (used and spare ones, multifunction groups of 8), the controllers
/// that devices without a bus need (xHCI for USB, virtio-serial), and sets `bus` and `addr` of every PCI device
/// that has none. A VM in which all this is said already is left as it is. Reports full buses, ports used twice,
/// and unknown buses.
void place(config::Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics);

/// By the type of the device and the bus it sits on (the tables are in the source, with their source).
Placement placement_of(const config::Resource& device, const config::Vm& vm, const qapi::Capabilities& qemu);

}  // namespace qvm::launch
