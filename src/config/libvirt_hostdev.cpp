// SPDX-License-Identifier: GPL-3.0-or-later
// <hostdev>: devices of the host that the guest has for itself.
#include <cstdlib>

#include <fmt/format.h>

#include "config/libvirt_domain.hpp"
#include "config/pci_address.hpp"
#include "config/usb_name.hpp"

namespace qvm::config {
namespace {

/// libvirt writes numbers as C does; "" where it is none.
std::string pci_address(pugi::xml_node address) {
    const auto number = [&](const char* name) {
        return std::strtoul(address.attribute(name).as_string("0"), nullptr, 0);
    };
    return full_pci_address(fmt::format("{:04x}:{:02x}:{:02x}.{:x}", number("domain"), number("bus"),
                                        number("slot"), number("function")))
        .value_or("");
}

}  // namespace

void LibvirtDomain::usb_device(Node hostdev) {
    const Node source = hostdev.child("source");
    const auto id = [&](const char* name) {
        const auto number = std::strtoul(source.child(name).attribute("id").as_string("0"), nullptr, 0);
        return fmt::format("{:04x}", number);
    };
    const auto name = id("vendor") + ':' + id("product");
    if (!source.child("vendor") || !source.child("product") || !usb_name(name)) {
        leave_out(hostdev,
                  "[host-device.X] with usb says it: by vendor and product, or by where it is "
                  "plugged in; its number on the bus changes with each plugging");
        return;
    }
    const std::string policy = source.attribute("startupPolicy").value();
    if (!policy.empty() && policy != "mandatory")
        warn(
            fmt::format("startupPolicy '{}': the VM is not started without the USB device {}", policy, name));
    for (const char* said : {"mode", "type", "managed"}) take(hostdev, said);
    drop(source);
    auto& part = draft_.add({"host-device", unique_id("usb")});
    part.put("usb", name);
    if (const auto order = take_number(see(hostdev, "boot"), "order")) part.put("boot", *order);
}

void LibvirtDomain::hostdev(Node hostdev) {
    if (std::string_view(hostdev.attribute("type").value()) == "usb" &&
        std::string_view(hostdev.attribute("mode").as_string("subsystem")) == "subsystem") {
        usb_device(hostdev);
        return;
    }
    const Node source = hostdev.child("source");
    const auto address = pci_address(source.child("address"));
    const std::string_view mode = hostdev.attribute("mode").as_string("subsystem");
    if (mode != "subsystem" || std::string_view(hostdev.attribute("type").value()) != "pci" ||
        !source.child("address") || address.empty()) {
        leave_out(hostdev, "of the host's devices, PCI and USB ones have a table: [host-device.X]");
        return;
    }
    take(hostdev, "mode");
    take(hostdev, "type");
    drop(source);
    const std::string id = unique_id("hostdev");
    auto& part = draft_.add({"host-device", id});
    part.put("pci", address);
    if (const auto order = take_number(see(hostdev, "boot"), "order")) part.put("boot", *order);
    const Node driver = see(hostdev, "driver");
    if (driver.attribute("name").value() == std::string_view("vfio")) take(driver, "name");
    if (take(hostdev, "managed") == "yes")
        warn(fmt::format("host-device.{}: libvirt bound {} to vfio-pci itself; `qvm check` tells how to", id,
                         address));
}

}  // namespace qvm::config
