// SPDX-License-Identifier: GPL-3.0-or-later
// PCI devices of this host that a VM has for itself, by vfio. Source: the kernel's
// Documentation/driver-api/vfio.rst, and QEMU's hw/vfio for what it opens.
#pragma once
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "jail/spec.hpp"
#include "launch/hardware.hpp"

namespace qvm::launch {

struct PassedDevice {
    std::string address;  ///< "0000:41:00.0"
    Origin origin;        ///< of who names it
    std::string made_by;
};

/// All that QEMU is to open by vfio.
std::vector<PassedDevice> passed_devices(const config::Vm& vm);

/// True for one that waits for the VM's next start: what QEMU opens for it is in the jail from then on.
bool comes_at_start(const config::Vm& vm, const config::Resource& device);

/// Adds what QEMU opens for it: the file of its IOMMU group, and, read-only, what sysfs tells of it.
void let_in(jail::Spec& spec, const PassedDevice& device, const HardwarePlaces& places = {});

/// Whether each is there, has an IOMMU group of which no other driver of the host's has a device, and may be
/// used by the caller. Reports what is not so, with the commands that change it.
void check_passed_devices(const config::Vm& vm, const HardwarePlaces& places, Diagnostics& diagnostics);

}  // namespace qvm::launch
