// SPDX-License-Identifier: GPL-3.0-or-later
// Gives every device a bus and an address. Pure and deterministic.
#pragma once
#include <map>
#include <string>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// Where QEMU takes a device: on its command line, or by QMP while it is not yet running (and later).
enum class Placement { Argv, Qmp };

/// Adds the pcie-root-ports that are needed (used and spare ones, multifunction groups of 8), the controllers
/// that devices without a bus need (xHCI for USB, virtio-serial), and sets `bus` and `addr` of every device
/// that has none. What it adds stands first among the resources and is made_by "hotplug" (ports) or "qvm". A
/// VM in which all this is said already is left as it is. Runs before config::check(), so that what it adds
/// is checked like the rest. Reports full buses, ports and addresses used twice, and devices whose bus nobody
/// makes; a `bus` that names nothing is left to check().
/// `running`: what runs as this VM. Then devices that are in both keep their places, new ones get free ports
/// of those that are there, and no port is added.
void place(config::Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics,
           const config::Vm* running = nullptr);

/// What place() calls the ports it adds (Resource::made_by).
inline constexpr const char* made_by_hotplug = "hotplug";

/// By the type of the device and the bus it sits on (the tables are in the source, with their source). A
/// device goes to the command line too when something that must go there sits on one of its buses.
Placement placement_of(const config::Resource& device, const config::Vm& vm, const qapi::Capabilities& qemu);

/// The same for all devices of a VM at once, by id: for more than a few, much cheaper.
std::map<std::string, Placement, std::less<>> placements_of(const config::Vm& vm,
                                                            const qapi::Capabilities& qemu);

}  // namespace qvm::launch
