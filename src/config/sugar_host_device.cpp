// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_host_device.hpp"

#include <fmt/format.h>

#include "config/pci_address.hpp"
#include "config/usb_name.hpp"

namespace qvm::config {
namespace {

void lower_pci(Lowering& lowering, const Item& passed, const Value& pci) {
    const auto address = full_pci_address(*pci.string());
    if (!address) {
        lowering.report(DiagnosticKind::BadValue, pci.origin,
                        fmt::format("'{}' is not the address of a PCI device", *pci.string()),
                        {"it is DOMAIN:BUS:SLOT.FUNCTION, as \"0000:41:00.0\"; `lspci -D` lists them",
                         fmt::format("in {}.pci", passed.where)});
        return;
    }
    Members device(passed.origin);
    device.put("driver", std::string("vfio-pci")).put("host", *address, pci.origin);
    device.copy("bootindex", *passed.table, "boot");
    lowering.add(Kind::Device, passed.id, std::move(device), passed, "device");
}

void lower_usb(Lowering& lowering, const Item& passed, const Value& usb) {
    Members host(passed.origin);
    host.put("kind", std::string("usb")).put("device", *usb.string(), usb.origin);
    if (!check_usb_name(lowering, usb, passed.where + ".usb")) return;
    lowering.add(Kind::Host, passed.id, std::move(host), passed);
    Members device(passed.origin);
    device.put("driver", std::string("usb-host")).put("hostdevice", '@' + passed.id, usb.origin);
    device.copy("bootindex", *passed.table, "boot");
    lowering.add(Kind::Device, passed.id, std::move(device), passed, "device");
}

}  // namespace

bool check_usb_name(Lowering& lowering, const Value& said, const std::string& where) {
    if (usb_name(*said.string())) return true;
    lowering.report(
        DiagnosticKind::BadValue, said.origin, fmt::format("'{}' does not name a USB device", *said.string()),
        {"it is VENDOR:PRODUCT, as \"046d:c52b\" (`lsusb` lists them), or where it is plugged in, as "
         "\"3-1.2\": bus 3, port 1, port 2 of the hub there (`lsusb -t`)",
         "its number on the bus is not taken: it changes with each plugging", fmt::format("in {}", where)});
    return false;
}

void lower_host_devices(Lowering& lowering) {
    for (const auto& passed : lowering.named("host-device")) {
        const Value* pci = passed.value("pci");
        const Value* usb = passed.value("usb");
        if (pci != nullptr && usb != nullptr)
            lowering.report(DiagnosticKind::Conflict, usb->origin,
                            fmt::format("{} is either a PCI device or a USB device", passed.where),
                            {"make two tables of it"});
        else if (pci != nullptr)
            lower_pci(lowering, passed, *pci);
        else if (usb != nullptr)
            lower_usb(lowering, passed, *usb);
        else if (!passed.says("pci") && !passed.says("usb"))
            lowering.report(DiagnosticKind::Missing, passed.origin,
                            fmt::format("{} does not say which device it is", passed.where),
                            {"say pci = \"0000:41:00.0\"; `lspci -D` lists what this host has",
                             "or usb = \"046d:c52b\"; `lsusb` lists them"});
    }
}

}  // namespace qvm::config
