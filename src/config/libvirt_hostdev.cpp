// SPDX-License-Identifier: GPL-3.0-or-later
// <hostdev>: devices of the host that the guest has for itself.
#include <cstdlib>

#include <fmt/format.h>

#include "config/libvirt_domain.hpp"
#include "config/pci_address.hpp"

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

void LibvirtDomain::hostdev(Node hostdev) {
    const Node source = hostdev.child("source");
    const auto address = pci_address(source.child("address"));
    const std::string_view mode = hostdev.attribute("mode").as_string("subsystem");
    if (mode != "subsystem" || std::string_view(hostdev.attribute("type").value()) != "pci" ||
        !source.child("address") || address.empty()) {
        leave_out(hostdev, "of the host's devices, PCI ones have a table: [host-device.X]");
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
