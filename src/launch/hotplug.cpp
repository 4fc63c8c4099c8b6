// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/hotplug.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "config/rules_buses.hpp"
#include "launch/placement.hpp"

namespace qvm::launch {
namespace {

using config::Board;
using config::Bus;
using config::BusMap;
using config::Kind;
using config::Resource;
using config::text_at;

/// Types that refuse device_add on any bus: QEMU 7.2, 10.0 and 11.1 were asked to add each of their types
/// before the start, and these are all that answered "expects a pluggable device type", "does not support
/// hotplugging" or "can not be hotplugged on this machine", together with the machine's own parts, which
/// nobody adds.
constexpr auto never_plugged = std::to_array<std::string_view>({
    "VGA",
    "acpi-erst",
    "amd-iommu",
    "ati-vga",
    "cirrus-vga",
    "guest-loader",
    "hv-syndbg",
    "ich9-usb-ehci1",
    "ich9-usb-ehci2",
    "ich9-usb-uhci1",
    "ich9-usb-uhci2",
    "ich9-usb-uhci3",
    "ich9-usb-uhci4",
    "ich9-usb-uhci5",
    "ich9-usb-uhci6",
    "igbvf",
    "intel-iommu",
    "ipmi-bmc",
    "loader",
    "nvme-subsys",
    "pci-ide",
    "pci-ohci",
    "pcie-root-port-base",
    "pxb",
    "pxb-cxl",
    "pxb-pcie",
    "qxl-vga",
    "ramfb",
    "sp-mem",
    "tpm-crb",
    "uefi-vars-x64",
    "vfio-pci-igd-lpc-bridge",
    "vfio-pci-nohotplug",
    "vhost-user-gpu-pci",
    "vhost-user-vga",
    "virtio-gpu-gl-pci",
    "virtio-gpu-pci",
    "virtio-gpu-rutabaga-pci",
    "virtio-iommu-pci",
    "virtio-vga",
    "virtio-vga-gl",
    "virtio-vga-rutabaga",
    "vmclock",
    "vmcoreinfo",
    "vmgenid",
    "vmware-svga",
    // Whole families: their bus never takes device_add.
    "sys-bus-device",
    "isa-device",
    "i2c-slave",
    "ide-device",
    "hda-codec",
});

/// Types that sit on no bus and still take device_add.
bool is_plugged_without_bus(std::string_view type, const qapi::Capabilities& qemu) {
    return qemu.is_a(type, "pc-dimm") || qemu.is_a(type, "cpu");
}

/// placement_of() over the devices of one VM.
class Classifier {
  public:
    Classifier(const config::Vm& vm, const qapi::Capabilities& qemu);

    Placement of(const Resource& device) const {
        constexpr int deepest_bus = 8;  // a loop of buses is an error that check() reports
        return needs_argv(device, deepest_bus) ? Placement::Argv : Placement::Qmp;
    }

  private:
    bool needs_argv(const Resource& device, int depth) const;

    const qapi::Capabilities& qemu_;
    Board board_;
    BusMap buses_;
    std::multimap<const Resource*, const Resource*> children_;  ///< by the provider of the bus they sit on
};

Classifier::Classifier(const config::Vm& vm, const qapi::Capabilities& qemu)
    : qemu_(qemu), board_(config::board_of(vm, qemu)), buses_(vm, qemu) {
    for (const Resource& device : vm.resources) {
        const std::string* name = device.id.kind == Kind::Device ? text_at(device, "bus") : nullptr;
        const Bus* bus = name == nullptr ? nullptr : buses_.find(*name);
        if (bus != nullptr && bus->provider != nullptr) children_.emplace(bus->provider, &device);
    }
}

bool Classifier::needs_argv(const Resource& device, int depth) const {
    if (board_ != Board::Q35 && board_ != Board::I440fx) return true;
    const std::string type = device.driver();
    if (is_never_plugged(type, qemu_)) return true;
    const std::string* bus_name = text_at(device, "bus");
    if (bus_name == nullptr) {
        if (!is_plugged_without_bus(type, qemu_)) return true;
    } else {
        const Bus* bus = buses_.find(*bus_name);
        if (bus == nullptr || !bus->hotplug) return true;
    }
    if (depth == 0) return false;
    const auto [first, last] = children_.equal_range(&device);
    return std::any_of(first, last, [&](const auto& child) { return needs_argv(*child.second, depth - 1); });
}

}  // namespace

bool is_never_plugged(std::string_view type, const qapi::Capabilities& qemu) {
    // Up the chain of types once: asking is_a() for each row would cost more than all else of a plan.
    for (int depth = 0; depth < 64 && !type.empty(); ++depth) {
        if (std::ranges::find(never_plugged, type) != never_plugged.end()) return true;
        const auto parent = qemu.parents.find(type);
        if (parent == qemu.parents.end()) break;
        type = parent->second;
    }
    return false;
}

Placement placement_of(const config::Resource& device, const config::Vm& vm, const qapi::Capabilities& qemu) {
    return Classifier(vm, qemu).of(device);
}

std::map<std::string, Placement, std::less<>> placements_of(const config::Vm& vm,
                                                            const qapi::Capabilities& qemu) {
    const Classifier classifier(vm, qemu);
    std::map<std::string, Placement, std::less<>> result;
    for (const Resource& device : vm.resources)
        if (device.id.kind == Kind::Device) result.emplace(device.id.id, classifier.of(device));
    return result;
}

}  // namespace qvm::launch
