// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/rules_buses.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace qvm::config {
namespace {

struct SitsOn {
    std::string_view ancestor;
    BusKind kind;
};

constexpr std::array sits_on{
    SitsOn{"pci-device", BusKind::Pci},       SitsOn{"scsi-device", BusKind::Scsi},
    SitsOn{"usb-device", BusKind::Usb},       SitsOn{"virtio-serial-port", BusKind::VirtioSerial},
    SitsOn{"virtio-device", BusKind::Virtio}, SitsOn{"ide-device", BusKind::Ide},
    SitsOn{"isa-device", BusKind::Isa},       SitsOn{"hda-codec", BusKind::Hda},
    SitsOn{"nvme-ns", BusKind::Nvme},         SitsOn{"ccid-card", BusKind::Ccid},
    SitsOn{"i2c-slave", BusKind::I2c},
};

/// What buses a device makes. They are called by the device's id alone (`count` 0), or ID.0, ID.1, ...
struct Provides {
    std::string_view ancestor;
    BusKind kind;
    unsigned count;
    bool hotplug;
    bool single = false;
};

constexpr std::array provides{
    Provides{"pcie-slot", BusKind::Pci, 0, true, true},
    Provides{"x3130-upstream", BusKind::Pci, 0, false},
    Provides{"pci-bridge", BusKind::Pci, 0, true},
    Provides{"pcie-pci-bridge", BusKind::Pci, 0, true},
    Provides{"i82801b11-bridge", BusKind::Pci, 0, false},
    Provides{"pxb", BusKind::Pci, 0, false},
    Provides{"pxb-pcie", BusKind::Pci, 0, false},
    Provides{"pxb-cxl", BusKind::Pci, 0, false},
    Provides{"virtio-scsi-pci-base", BusKind::Scsi, 1, true},
    Provides{"virtio-scsi-device", BusKind::Scsi, 1, true},
    Provides{"megasas-base", BusKind::Scsi, 1, true},
    Provides{"mptsas1068", BusKind::Scsi, 1, true},
    Provides{"pvscsi", BusKind::Scsi, 1, true},
    Provides{"lsi53c895a", BusKind::Scsi, 1, true},
    Provides{"am53c974", BusKind::Scsi, 1, true},
    Provides{"usb-bot", BusKind::Scsi, 1, true},
    Provides{"usb-uas", BusKind::Scsi, 1, true},
    Provides{"pci-xhci", BusKind::Usb, 1, true},
    Provides{"pci-ehci-usb", BusKind::Usb, 1, true},
    Provides{"pci-uhci-usb", BusKind::Usb, 1, true},
    Provides{"pci-ohci", BusKind::Usb, 1, true},
    Provides{"sysbus-xhci", BusKind::Usb, 1, true},
    Provides{"virtio-serial-pci-base", BusKind::VirtioSerial, 1, true},
    Provides{"virtio-serial-device", BusKind::VirtioSerial, 1, true},
    Provides{"ich9-ahci", BusKind::Ide, 6, false},
    Provides{"pci-ide", BusKind::Ide, 2, false},
    Provides{"isa-ide", BusKind::Ide, 1, false},
    Provides{"intel-hda-generic", BusKind::Hda, 1, false},
    Provides{"nvme", BusKind::Nvme, 0, false},
    Provides{"usb-ccid", BusKind::Ccid, 1, true},
};

/// The first row whose ancestor `type` descends from, nearest ancestor first.
template <class Rows>
auto row_of(const Rows& rows, std::string_view type, const qapi::Capabilities& qemu)
    -> decltype(rows.data()) {
    for (int depth = 0; depth < 64 && !type.empty(); ++depth) {
        for (const auto& row : rows)
            if (row.ancestor == type) return &row;
        const auto parent = qemu.parents.find(type);
        if (parent == qemu.parents.end()) break;
        type = parent->second;
    }
    return nullptr;
}

/// Makes no bus that anybody could name, as far as known.
bool makes_no_bus(std::string_view type, const qapi::Capabilities& qemu) {
    static constexpr std::array kinds{
        "virtio-pci", "scsi-device",        "pci-vga", "isa-device", "hda-codec",
        "ide-device", "virtio-serial-port", "usb-hid", "pc-dimm",    "pci-device"};
    static constexpr std::array except{"tpci200", "sdhci-pci", "ufs"};
    return std::ranges::any_of(kinds, [&](const char* k) { return qemu.is_a(type, k); }) &&
           std::ranges::none_of(except, [&](const char* e) { return type == e; });
}

}  // namespace

std::string_view bus_kind_name(BusKind kind) {
    switch (kind) {
        case BusKind::Pci:
            return "PCI";
        case BusKind::Scsi:
            return "SCSI";
        case BusKind::Usb:
            return "USB";
        case BusKind::VirtioSerial:
            return "virtio-serial";
        case BusKind::Virtio:
            return "virtio-mmio";
        case BusKind::Ide:
            return "IDE";
        case BusKind::Isa:
            return "ISA";
        case BusKind::Hda:
            return "HDA";
        case BusKind::Nvme:
            return "NVMe";
        case BusKind::Ccid:
            return "CCID";
        case BusKind::I2c:
            return "I2C";
    }
    return "?";
}

std::optional<BusKind> bus_needed(std::string_view type, const qapi::Capabilities& qemu) {
    const SitsOn* row = row_of(sits_on, type, qemu);
    return row == nullptr ? std::nullopt : std::optional(row->kind);
}

Board board_of(const Vm& vm, const qapi::Capabilities& qemu) {
    const qapi::Machine* machine = qemu.machine(vm.machine.type.value);
    const std::string_view name =
        machine == nullptr ? std::string_view(vm.machine.type.value) : machine->name;
    if (name.starts_with("pc-q35") || name == "q35") return Board::Q35;
    if (name.starts_with("pc-i440fx") || name == "pc") return Board::I440fx;
    if (name == "isapc") return Board::IsaPc;
    if (name == "microvm") return Board::Microvm;
    return Board::Other;
}

bool flag_at(const Table& table, std::string_view key, bool otherwise) {
    const Value* value = table.find(key);
    if (value == nullptr) return otherwise;
    if (const bool* flag = value->boolean()) return *flag;
    if (const std::string* text = value->string()) {
        if (*text == "on") return true;
        if (*text == "off") return false;
    }
    return otherwise;
}

const std::string* text_at(const Resource& resource, std::string_view key) {
    const Table* table = resource.properties.table();
    const Value* value = table == nullptr ? nullptr : table->find(key);
    return value == nullptr ? nullptr : value->string();
}

BusMap::BusMap(const Vm& vm, const qapi::Capabilities& qemu) {
    add_machine_buses(vm, board_of(vm, qemu));
    for (const Resource& device : vm.resources) {
        if (device.id.kind != Kind::Device) continue;
        const std::string type = device.driver();
        const Provides* row = row_of(provides, type, qemu);
        device_ids_[device.id.id] = row != nullptr || makes_no_bus(type, qemu);
        if (row == nullptr) continue;
        Bus bus{row->kind, &device, row->hotplug, row->single};
        if (row->kind == BusKind::Nvme) bus.hotplug = qemu.version >= qapi::Version{11, 1, 0};
        if (row->kind == BusKind::Pci && device.properties.table() != nullptr)
            bus.hotplug = bus.hotplug && flag_at(*device.properties.table(), "hotplug", true);
        if (row->count == 0) add(device.id.id, bus);
        for (unsigned i = 0; i < row->count; ++i) add(fmt::format("{}.{}", device.id.id, i), bus);
    }
}

void BusMap::add_machine_buses(const Vm& vm, Board board) {
    const bool usb = flag_at(vm.machine.properties, "usb", false);
    const auto add_several = [&](std::string_view stem, unsigned count, Bus bus) {
        for (unsigned i = 0; i < count; ++i) add(fmt::format("{}.{}", stem, i), bus);
    };
    switch (board) {
        case Board::Q35:
            add("pcie.0", {BusKind::Pci});
            add_several("ide", flag_at(vm.machine.properties, "sata", true) ? 6 : 0, {BusKind::Ide});
            break;
        case Board::I440fx:
            add("pci.0", {BusKind::Pci, nullptr, true});
            add_several("ide", 2, {BusKind::Ide});
            break;
        case Board::IsaPc:
            add_several("ide", 2, {BusKind::Ide});
            break;
        case Board::Microvm:
            add_several("virtio-mmio-bus", 24, {BusKind::Virtio});
            if (flag_at(vm.machine.properties, "pcie", false)) add("pcie.0", {BusKind::Pci});
            if (usb) add("usb-bus.0", {BusKind::Usb, nullptr, true});
            break;
        case Board::Other:
            machine_known_ = false;
            return;
    }
    add("isa.0", {BusKind::Isa});
    if (board == Board::Q35 || board == Board::I440fx) {
        add("i2c", {BusKind::I2c});
        if (usb) add("usb-bus.0", {BusKind::Usb, nullptr, true});
    }
}

void BusMap::add(const std::string& name, Bus bus) {
    if (buses_.emplace(name, bus).second) order_.emplace_back(bus.kind, name);
}

const Bus* BusMap::find(std::string_view name) const {
    const auto found = buses_.find(name);
    return found == buses_.end() ? nullptr : &found->second;
}

bool BusMap::may_exist(std::string_view name) const {
    // "/pcie.0/..." is a path through the device tree, and floppy-bus.0 and the like come with a controller.
    if (find(name) != nullptr || !machine_known_ || name.starts_with('/') || name == "main-system-bus" ||
        name.starts_with("floppy-bus."))
        return true;
    const auto known = [&](std::string_view id) {
        const auto device = device_ids_.find(id);
        return device != device_ids_.end() && !device->second;
    };
    const auto dot = name.rfind('.');
    return known(name) || (dot != std::string_view::npos && known(name.substr(0, dot)));
}

std::vector<std::string> BusMap::names(BusKind kind) const {
    std::vector<std::string> result;
    for (const auto& [name, bus] : buses_)
        if (bus.kind == kind) result.push_back(name);
    return result;
}

std::vector<std::string> BusMap::names() const {
    std::vector<std::string> result;
    for (const auto& [name, bus] : buses_) result.push_back(name);
    return result;
}

std::string BusMap::first(BusKind kind) const {
    const auto found = std::ranges::find(order_, kind, &std::pair<BusKind, std::string>::first);
    return found == order_.end() ? std::string() : found->second;
}

}  // namespace qvm::config
