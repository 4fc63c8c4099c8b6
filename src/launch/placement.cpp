// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/placement.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "launch/placer.hpp"

namespace qvm::launch {

using config::Board;
using config::BusKind;
using config::BusMap;
using config::Kind;
using config::Resource;
using config::text_at;
using config::Value;

bool has_bus(const Resource& device) {
    const config::Table* table = device.properties.table();
    return table != nullptr && table->find("bus") != nullptr;
}

Placer::Devices Placer::devices_without_bus(BusKind kind) {
    Devices found;
    for (Resource& device : vm_.resources)
        if (device.id.kind == Kind::Device && device.properties.is_table() && !has_bus(device) &&
            config::bus_needed(device.driver(), qemu_) == kind)
            found.push_back(&device);
    return found;
}

Resource& Placer::add(std::string id, std::string driver, std::string made_by) {
    auto resource = std::make_unique<Resource>();
    ids_.insert(id);
    resource->id = {Kind::Device, std::move(id)};
    resource->properties = Value(config::Table(), {});
    resource->made_by = std::move(made_by);
    set(*resource, "driver", std::move(driver));
    return *added_.emplace_back(std::move(resource));
}

std::string Placer::free_id(const std::string& stem, unsigned from) {
    for (unsigned i = from;; ++i) {
        std::string id = fmt::format("{}{}", stem, i);
        if (!ids_.contains(id)) return id;
    }
}

/// Puts what was added in front: everything else may sit on it.
void Placer::flush() {
    std::vector<Resource> all;
    all.reserve(added_.size() + vm_.resources.size());
    for (auto& resource : added_) all.push_back(std::move(*resource));
    for (auto& resource : vm_.resources) all.push_back(std::move(resource));
    vm_.resources = std::move(all);
    added_.clear();
}

void Placer::report_without_bus(const Resource& device, BusKind kind) {
    const std::string type = device.driver();
    std::vector<std::string> notes;
    const auto suggest_type = [&](std::string_view from, std::string_view to) {
        if (!std::string_view(type).ends_with(from)) return;
        const std::string other = type.substr(0, type.size() - from.size()) + std::string(to);
        if (qemu_.has_device(other)) notes.push_back(fmt::format("device \"{}\" would fit", other));
    };
    if (kind == BusKind::Pci) suggest_type("-pci", "-device");
    if (kind == BusKind::Virtio) suggest_type("-device", "-pci");
    if (kind == BusKind::Scsi) notes.emplace_back("add [device.scsi0] with driver = \"virtio-scsi-pci\"");
    if (kind == BusKind::Hda) notes.emplace_back("add [device.hda0] with driver = \"intel-hda\"");
    if (kind == BusKind::Nvme) notes.emplace_back("add [device.nvme0] with driver = \"nvme\"");
    if (kind == BusKind::Ccid) notes.emplace_back("add [device.ccid0] with driver = \"usb-ccid\"");
    diagnostics_.add(
        {DiagnosticKind::Missing,
         device.origin,
         fmt::format("device \"{}\" needs {} {} bus, and this VM has none", type,
                     kind == BusKind::Ide || kind == BusKind::Isa || kind == BusKind::Hda ? "an" : "a",
                     bus_kind_name(kind)),
         {},
         std::move(notes)});
}

void Placer::add_usb_controller() {
    if (devices_without_bus(BusKind::Usb).empty() || !BusMap(vm_, qemu_).first(BusKind::Usb).empty()) return;
    if (board_ == Board::Microvm || board_ == Board::IsaPc) return;  // no PCI: reported by use_first_bus()
    add(free_id("usb", 0), "qemu-xhci", "qvm");
    flush();
}

void Placer::add_serial_controller() {
    if (devices_without_bus(BusKind::VirtioSerial).empty()) return;
    if (!BusMap(vm_, qemu_).first(BusKind::VirtioSerial).empty() || board_ == Board::IsaPc) return;
    add(free_id("virtio-serial", 0), board_ == Board::Microvm ? "virtio-serial-device" : "virtio-serial-pci",
        "qvm");
    flush();
}

/// QEMU would choose the first one too; said aloud, it is part of the plan and of the order.
void Placer::use_first_bus(BusKind kind) {
    const auto homeless = devices_without_bus(kind);
    if (homeless.empty()) return;
    const std::string bus = BusMap(vm_, qemu_).first(kind);
    for (Resource* device : homeless) {
        if (bus.empty())
            report_without_bus(*device, kind);
        else
            set(*device, "bus", bus);
    }
}

void Placer::place_ide() {
    // One disk on each SATA port of q35, a master and a slave on each of the two channels elsewhere.
    const unsigned units = board_ == Board::Q35 ? 1 : 2;
    std::set<std::pair<std::string, std::int64_t>> used;
    for (const Resource& device : vm_.resources) {
        if (device.id.kind != Kind::Device) continue;
        const std::string* bus = text_at(device, "bus");
        if (bus == nullptr) continue;
        const Value* unit = device.properties.table()->find("unit");
        used.emplace(*bus, unit != nullptr && unit->integer() != nullptr ? *unit->integer() : 0);
    }
    const auto buses = BusMap(vm_, qemu_).names(BusKind::Ide);
    for (Resource* device : devices_without_bus(BusKind::Ide)) {
        bool placed = false;
        for (std::size_t i = 0; i < buses.size() * units && !placed; ++i) {
            const auto unit = static_cast<std::int64_t>(i % units);
            if (!used.emplace(buses[i / units], unit).second) continue;
            set(*device, "bus", buses[i / units]);
            if (units > 1) set(*device, "unit", unit);
            placed = true;
        }
        if (placed) continue;
        if (buses.empty()) {
            report_without_bus(*device, BusKind::Ide);
            continue;
        }
        if (!device->made_by.starts_with("device.")) continue;  // sugar counts its ports itself
        diagnostics_.add(
            {DiagnosticKind::BusFull,
             device->origin,
             fmt::format("no room for device \"{}\": all {} IDE places of machine \"{}\" are taken",
                         device->id.id, buses.size() * units, vm_.machine.type.value),
             {},
             {"a SCSI disk on a virtio-scsi-pci controller needs no place of its own"}});
    }
}

void Placer::run() {
    if (board_ == Board::Other) return;
    for (const Resource& r : vm_.resources) ids_.insert(r.id.id);
    if (running_ != nullptr) bring_running_ports();
    add_usb_controller();
    add_serial_controller();
    if (running_ != nullptr) keep_running_places();
    for (const BusKind kind :
         {BusKind::Scsi, BusKind::Usb, BusKind::VirtioSerial, BusKind::Hda, BusKind::Nvme, BusKind::Ccid})
        use_first_bus(kind);
    if (board_ != Board::Microvm)
        for (const Resource* device : devices_without_bus(BusKind::Virtio))
            report_without_bus(*device, BusKind::Virtio);
    place_ide();
    set_chassis_of_user_ports();
    settle_addressed();
    take_given_addresses();
    give_missing_addresses();
    place_pci();
    flush();
}

void place(config::Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics,
           const config::Vm* running) {
    Placer(vm, qemu, diagnostics, running).run();
}

}  // namespace qvm::launch
