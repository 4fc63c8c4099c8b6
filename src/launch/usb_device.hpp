// SPDX-License-Identifier: GPL-3.0-or-later
// USB devices of this host that a VM has for itself. QEMU gets the open file of one (usbfs) and hands it to
// libusb. Source: the kernel's Documentation/driver-api/usb/usb.rst, and QEMU's hw/usb/host-libusb.c.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "config/resource.hpp"
#include "config/usb_name.hpp"
#include "launch/hardware.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// As sysfs tells of it.
struct UsbDevice {
    std::string port;             ///< "3-1.2"
    std::string vendor, product;  ///< ids
    std::string words;            ///< what its maker calls it, printable; may be empty
    std::string serial;           ///< the same
    bool hub = false;
    std::filesystem::path file;        ///< "/dev/bus/usb/003/004"
    std::vector<std::string> drivers;  ///< of the host, that its parts are bound to
    std::vector<std::string> disks;    ///< it is for the host, with their partitions: "sdb", "sdb1"

    std::string ids() const { return vendor + ':' + product; }
};

/// All of this host but the controllers' own hubs, by port.
std::vector<UsbDevice> usb_devices(const HardwarePlaces& places = {});

/// True if the VM has such a device, or may get one while it runs: the jail's filter lets its requests
/// through.
bool lets_usb_in(const config::Vm& vm);

bool is_usb_host(const config::Resource& resource);

/// Of the VM's, those that this host has no more, or has anew since.
std::set<std::string> unplugged_usb(const config::Vm& running, const HardwarePlaces& places = {});

/// The [host.X] that the device of this id has.
std::vector<config::ResourceId> usb_of(const config::Vm& vm, const std::string& device);

/// For reading and writing. Throws Error (HostCannot) if there is none, or more than one, of the name, and if
/// somebody else has it; SystemError if it cannot be opened.
Fd open_usb(const OpenUsb& wanted, const HardwarePlaces& places = {});

/// Whether each is there, is one, no hub, used once, may be opened by the caller, and is no disk with a
/// mounted file system. `runs`: the VM has it already, perhaps.
void check_usb_devices(const config::Vm& vm, bool runs, const HardwarePlaces& places,
                       Diagnostics& diagnostics);

}  // namespace qvm::launch
