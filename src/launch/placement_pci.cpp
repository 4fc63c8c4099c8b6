// SPDX-License-Identifier: GPL-3.0-or-later
// PCI: addresses, and the ports of PCI Express.
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "launch/hotplug.hpp"
#include "launch/passed_device.hpp"
#include "launch/placement.hpp"
#include "launch/placer.hpp"

namespace qvm::launch {
namespace {

using config::Board;
using config::Bus;
using config::BusKind;
using config::BusMap;
using config::Kind;
using config::Resource;
using config::text_at;
using config::Value;

std::string addr_text(Devfn devfn) {
    return devfn % 8 == 0 ? fmt::format("{:#x}", devfn / 8) : fmt::format("{:#x}.{}", devfn / 8, devfn % 8);
}

/// From "3", "0x3", "03.1" (hexadecimal, as QEMU reads it) or an integer devfn; nothing if it is none of
/// these.
std::optional<Devfn> parse_addr(const Value& value) {
    if (const auto* number = value.integer()) {
        if (*number < 0 || *number > 255) return std::nullopt;
        return static_cast<Devfn>(*number);
    }
    const std::string* text = value.string();
    if (text == nullptr) return std::nullopt;
    std::string_view slot_text(*text), function_text("0");
    if (const auto dot = slot_text.find('.'); dot != std::string_view::npos) {
        function_text = slot_text.substr(dot + 1);
        slot_text = slot_text.substr(0, dot);
    }
    if (slot_text.starts_with("0x") || slot_text.starts_with("0X")) slot_text.remove_prefix(2);
    const auto parse = [](std::string_view digits, unsigned limit) -> std::optional<unsigned> {
        unsigned number = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
        if (error != std::errc() || end != digits.data() + digits.size() || number > limit)
            return std::nullopt;
        return number;
    };
    const auto slot = parse(slot_text, 31), function = parse(function_text, 7);
    if (!slot || !function) return std::nullopt;
    return *slot * 8 + *function;
}

/// What the chipset itself occupies.
Taken machine_slots(Board board, bool usb) {
    Taken taken;
    const auto take = [&](std::initializer_list<Devfn> list) {
        for (const Devfn d : list) taken.emplace(d, nullptr);
    };
    if (board == Board::Q35) take({0, 0x1F * 8, 0x1F * 8 + 2, 0x1F * 8 + 3});
    if (board == Board::Q35 && usb) take({0x1D * 8, 0x1D * 8 + 1, 0x1D * 8 + 2, 0x1D * 8 + 7});
    if (board == Board::I440fx) take({0, 8, 9, 11});
    if (board == Board::I440fx && usb) take({10});
    return taken;
}

}  // namespace

/// An address without a bus is one on the machine's own bus, as on QEMU's command line.
void Placer::settle_addressed() {
    if (board_ != Board::Q35 && board_ != Board::I440fx) return;
    for (Resource* device : devices_without_bus(BusKind::Pci))
        if (device->properties.table()->find("addr") != nullptr)
            set(*device, "bus", std::string(board_ == Board::Q35 ? "pcie.0" : "pci.0"));
}

/// The addresses the file itself gives, and the first function of a port for a device that gives none.
void Placer::take_given_addresses() {
    const BusMap buses(vm_, qemu_);
    const bool usb = config::flag_at(vm_.machine.properties, "usb", false);
    taken_[board_ == Board::I440fx ? "pci.0" : "pcie.0"] = machine_slots(board_, usb);
    for (Resource& device : vm_.resources) {
        const std::string* bus_name = device.id.kind == Kind::Device ? text_at(device, "bus") : nullptr;
        const Bus* bus = bus_name == nullptr ? nullptr : buses.find(*bus_name);
        if (bus == nullptr || bus->kind != BusKind::Pci) continue;
        const Value* addr = device.properties.table()->find("addr");
        if (addr == nullptr && !bus->single) continue;
        const auto devfn = addr == nullptr ? Devfn{0} : parse_addr(*addr);
        if (!devfn) continue;  // check() says what is wrong with it
        if (bus->single && *devfn >= 8) {
            diagnostics_.add(
                {DiagnosticKind::BadValue,
                 addr->origin,
                 fmt::format("a PCI Express port has only slot 0, so no device can be at '{}' of '{}'",
                             addr_text(*devfn), *bus_name),
                 {},
                 {}});
            continue;
        }
        const auto [holder, fresh] = taken_[*bus_name].emplace(*devfn, &device);
        if (fresh) {
            if (addr == nullptr) set(device, "addr", std::string("0x0"));
            continue;
        }
        const Origin& where = addr == nullptr ? device.properties.table()->find("bus")->origin : addr->origin;
        std::vector<std::string> notes;
        if (holder->second == nullptr)
            notes.emplace_back("the machine itself has something there");
        else if (holder->second->origin.known())
            notes.push_back(fmt::format("device \"{}\" is at {}", holder->second->id.id,
                                        holder->second->origin.to_string()));
        if (bus->single)
            diagnostics_.add(
                {DiagnosticKind::BusFull,
                 where,
                 fmt::format("port '{}' already holds device \"{}\"", *bus_name, holder->second->id.id),
                 {},
                 std::move(notes)});
        else
            diagnostics_.add(
                {DiagnosticKind::BusFull,
                 where,
                 fmt::format("address '{}' of bus '{}' is already taken", addr_text(*devfn), *bus_name),
                 {},
                 std::move(notes)});
    }
}

/// Root ports that the file makes need numbers of their own: QEMU refuses a second chassis 0.
void Placer::set_chassis_of_user_ports() {
    std::set<std::int64_t> used;
    const auto is_port = [&](const Resource& r) {
        return r.id.kind == Kind::Device && r.properties.is_table() && qemu_.is_a(r.driver(), "pcie-slot");
    };
    for (const Resource& r : vm_.resources)
        if (is_port(r))
            if (const Value* chassis = r.properties.table()->find("chassis");
                chassis != nullptr && chassis->integer())
                used.insert(*chassis->integer());
    std::int64_t next = 255;
    for (Resource& r : vm_.resources) {
        if (!is_port(r) || r.properties.table()->find("chassis") != nullptr) continue;
        while (used.contains(next)) --next;
        if (next < 1) return;
        set(r, "chassis", next);
        used.insert(next);
    }
}

/// Free slots are searched so that the root ports (from 4 up) and single devices (from 0x1e down) keep apart.
std::optional<unsigned> Placer::free_slot(const std::string& bus) {
    const Taken& taken = taken_[bus];
    const auto is_free = [&](unsigned slot) {
        const auto first = taken.lower_bound(slot * 8);
        return first == taken.end() || first->first >= slot * 8 + 8;
    };
    if (bus == "pcie.0" && board_ == Board::Q35) {
        for (unsigned slot = 0x1E; slot >= 1; --slot)
            if (is_free(slot)) return slot;
        return std::nullopt;
    }
    for (unsigned slot = bus == "pci.0" ? 3 : 1; slot < 32; ++slot)
        if (is_free(slot)) return slot;
    if (bus == "pci.0" && is_free(2)) return 2;
    return std::nullopt;
}

bool Placer::take_slot(Resource& device, const std::string& bus) {
    const auto slot = free_slot(bus);
    if (slot) {
        set(device, "addr", addr_text(*slot * 8));
        taken_[bus].emplace(*slot * 8, &device);
        return true;
    }
    if (std::exchange(full_said_, true)) return false;
    diagnostics_.add(
        {DiagnosticKind::BusFull,
         device.origin,
         fmt::format("no room for device \"{}\": all slots of bus '{}' are taken", device.id.id, bus),
         {},
         {"disks can share one virtio-scsi-pci controller; machine \"q35\" has room for more"}});
    return false;
}

/// For devices whose bus is given but not their place on it.
void Placer::give_missing_addresses() {
    const BusMap buses(vm_, qemu_);
    for (Resource& device : vm_.resources) {
        const std::string* name = device.id.kind == Kind::Device ? text_at(device, "bus") : nullptr;
        if (name == nullptr || device.properties.table()->find("addr") != nullptr) continue;
        const Bus* bus = buses.find(*name);
        if (bus == nullptr || bus->kind != BusKind::Pci || bus->single) continue;
        if (config::bus_needed(device.driver(), qemu_) != BusKind::Pci) continue;
        if (board_ == Board::Microvm)
            continue;  // QEMU's own choice is as good there: nothing is plugged later
        if (std::string bus_name = *name; !take_slot(device, bus_name)) return;
    }
}

void Placer::place_q35(const Devices& homeless) {
    Devices on_ports;
    for (Resource* device : homeless) {
        if (is_never_plugged(device->driver(), qemu_)) {
            set(*device, "bus", std::string("pcie.0"));
            take_slot(*device, "pcie.0");
        } else {
            on_ports.push_back(device);
        }
    }
    if (running_ != nullptr) {
        // What waits for the next start gets its place then.
        std::erase_if(on_ports, [&](const Resource* device) { return comes_at_start(vm_, *device); });
        use_free_ports(on_ports);
    } else {
        add_ports(on_ports.size() + vm_.spare_pcie_ports.value, on_ports);
    }
    // The ports are resources from here on; asking again must not make more of them.
    vm_.spare_pcie_ports.value = 0;
}

/// The ports that qvm made when the VM was started: there cannot be others while it runs.
void Placer::bring_running_ports() {
    for (const Resource& port : running_->resources) {
        if (port.made_by != made_by_hotplug) continue;
        if (const Resource* other = vm_.find(port.id)) {
            diagnostics_.add({DiagnosticKind::DuplicateId,
                              other->origin,
                              fmt::format("the running VM has a port called '{}' already", port.id.id),
                              {},
                              {"choose another id, or stop the VM first"}});
            continue;
        }
        added_.push_back(std::make_unique<Resource>(port));
        ids_.insert(port.id.id);
    }
    flush();
}

void Placer::keep_running_places() {
    const BusMap buses(vm_, qemu_);
    std::set<std::string> given;
    for (const Resource& device : vm_.resources)
        if (device.id.kind == Kind::Device)
            if (const std::string* bus = text_at(device, "bus")) given.insert(*bus);
    for (Resource& device : vm_.resources) {
        if (device.id.kind != Kind::Device || !device.properties.is_table()) continue;
        const Resource* before = running_->find(device.id);
        if (before == nullptr || before->driver() != device.driver()) continue;
        const auto keep = [&](const char* key) {
            const Value* value = before->properties.table()->find(key);
            if (value != nullptr && device.properties.table()->find(key) == nullptr)
                set(device, key, value->data);
        };
        keep("chassis");
        if (has_bus(device) || device.properties.table()->find("addr") != nullptr) continue;
        const std::string* bus_name = text_at(*before, "bus");
        const Bus* bus = bus_name == nullptr ? nullptr : buses.find(*bus_name);
        if (bus == nullptr || (bus->single && given.contains(*bus_name))) continue;
        for (const char* key : {"bus", "addr", "unit"}) keep(key);
    }
}

/// Additions come before removals: a port is free only when nobody sits on it now, or the same device, which
/// is replugged.
void Placer::use_free_ports(const Devices& homeless) {
    std::map<std::string, std::string> sits_on;  // port -> device of the running VM
    for (const Resource& device : running_->resources)
        if (const std::string* bus = text_at(device, "bus")) sits_on[*bus] = device.id.id;
    std::vector<std::string> free;
    std::size_t ports = 0;
    for (const Resource& port : vm_.resources) {
        if (port.made_by != made_by_hotplug) continue;
        ++ports;
        if (taken_[port.id.id].empty()) free.push_back(port.id.id);
    }
    for (Resource* device : homeless) {
        const auto port = std::ranges::find_if(free, [&](const std::string& id) {
            const auto now = sits_on.find(id);
            return now == sits_on.end() || now->second == device->id.id;
        });
        if (port != free.end()) {
            set(*device, "bus", *port);
            set(*device, "addr", std::string("0x0"));
            free.erase(port);
            continue;
        }
        const bool leaving = !free.empty();
        diagnostics_.add(
            {DiagnosticKind::BusFull,
             device->origin,
             fmt::format("no room for device \"{}\" in the running VM: all of its {} ports are taken",
                         device->id.id, ports),
             {},
             {leaving ? "a port is free once what leaves it has gone: apply that first, and this then"
                      : "the next start has room for it; `hotplug.pcie-ports` says how many ports are spare "
                        "then"}});
        return;
    }
}

void Placer::add_ports(std::size_t needed, const Devices& homeless) {
    std::set<std::int64_t> chassis_used;
    for (const Resource& r : vm_.resources)
        if (r.id.kind == Kind::Device && r.properties.is_table())
            if (const Value* chassis = r.properties.table()->find("chassis");
                chassis != nullptr && chassis->integer())
                chassis_used.insert(*chassis->integer());

    Taken& root = taken_["pcie.0"];
    const std::size_t total = (needed + 7) / 8 * 8;
    std::size_t made = 0;
    unsigned slot = 4;
    std::int64_t chassis = 1;
    for (; made < total; ++made) {
        if (made % 8 == 0) {
            const auto is_taken = [&](unsigned s) {
                const auto first = root.lower_bound(s * 8);
                return first != root.end() && first->first < s * 8 + 8;
            };
            if (made > 0) ++slot;
            while (slot < 0x1F && is_taken(slot)) ++slot;
            if (slot >= 0x1F) break;
        }
        while (chassis_used.contains(chassis)) ++chassis;
        if (chassis > 255) break;
        const unsigned function = static_cast<unsigned>(made % 8);
        Resource& port = add(free_id("port", static_cast<unsigned>(made)), "pcie-root-port", made_by_hotplug);
        set(port, "bus", std::string("pcie.0"));
        set(port, "addr", addr_text(slot * 8 + function));
        if (function == 0) set(port, "multifunction", true);
        set(port, "chassis", chassis);
        set(port, "port", std::int64_t{0x10} + static_cast<std::int64_t>(made));
        chassis_used.insert(chassis);
        root.emplace(slot * 8 + function, nullptr);
    }
    for (std::size_t i = 0; i < homeless.size(); ++i) {
        if (i >= made) {
            diagnostics_.add(
                {DiagnosticKind::BusFull,
                 homeless[i]->origin,
                 fmt::format("no room for device \"{}\": machine \"{}\" has room for {} PCI Express ports",
                             homeless[i]->id.id, vm_.machine.type.value, made),
                 {},
                 {"disks can share one virtio-scsi-pci controller"}});
            break;
        }
        set(*homeless[i], "bus", added_[i]->id.id);
        set(*homeless[i], "addr", std::string("0x0"));
    }
}

void Placer::place_pci() {
    const Devices homeless = devices_without_bus(BusKind::Pci);
    switch (board_) {
        case Board::Q35:
            place_q35(homeless);
            break;
        case Board::I440fx:
            for (Resource* device : homeless) {
                set(*device, "bus", std::string("pci.0"));
                take_slot(*device, "pci.0");
            }
            break;
        case Board::Microvm:
            use_first_bus(BusKind::Pci);
            break;
        case Board::IsaPc:
            for (Resource* device : homeless) report_without_bus(*device, BusKind::Pci);
            break;
        case Board::Other:
            break;
    }
}

}  // namespace qvm::launch
