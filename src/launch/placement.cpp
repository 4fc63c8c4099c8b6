// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/placement.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "config/rules_buses.hpp"
#include "launch/hotplug.hpp"

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

using Devfn = unsigned;  ///< slot * 8 + function

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

/// The addresses taken on one PCI bus, and by whom ("" for the machine itself).
using Taken = std::map<Devfn, const Resource*>;

class Placer {
  public:
    Placer(config::Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics,
           const config::Vm* running)
        : vm_(vm),
          qemu_(qemu),
          diagnostics_(diagnostics),
          running_(running),
          board_(config::board_of(vm, qemu)) {}

    void run();

  private:
    using Devices = std::vector<Resource*>;
    Devices devices_without_bus(BusKind kind);
    void bring_running_ports();
    void keep_running_places();
    void use_free_ports(const Devices& homeless);
    void add_usb_controller();
    void add_serial_controller();
    void use_first_bus(BusKind kind);
    void place_ide();
    void settle_addressed();
    void place_pci();
    void place_q35(const Devices& homeless);
    void add_ports(std::size_t needed, const Devices& homeless);
    void set_chassis_of_user_ports();
    void take_given_addresses();
    void give_missing_addresses();
    /// Takes a free slot of `bus`; false (and a diagnostic) if there is none.
    bool take_slot(Resource& device, const std::string& bus);
    std::optional<unsigned> free_slot(const std::string& bus);
    void report_without_bus(const Resource& device, BusKind kind);

    void set(Resource& device, const char* key, Value::Data value) {
        device.properties.table()->set(key, device.origin, Value(std::move(value), device.origin));
    }
    /// Adds a device; its properties follow by set(). Pointers to resources stay valid until flush().
    Resource& add(std::string id, std::string driver, std::string made_by);
    std::string free_id(const std::string& stem, unsigned from);
    void flush();

    config::Vm& vm_;
    const qapi::Capabilities& qemu_;
    Diagnostics& diagnostics_;
    const config::Vm* running_;  ///< may be null
    Board board_;
    std::map<std::string, Taken, std::less<>> taken_;
    std::set<std::string, std::less<>> ids_;
    std::vector<std::unique_ptr<Resource>> added_;
    bool full_said_ = false;
};

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
    if (running_ != nullptr)
        use_free_ports(on_ports);
    else
        add_ports(on_ports.size() + vm_.spare_pcie_ports.value, on_ports);
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

void Placer::use_free_ports(const Devices& homeless) {
    std::vector<std::string> free;
    std::size_t ports = 0;
    for (const Resource& port : vm_.resources) {
        if (port.made_by != made_by_hotplug) continue;
        ++ports;
        if (taken_[port.id.id].empty()) free.push_back(port.id.id);
    }
    for (std::size_t i = 0; i < homeless.size(); ++i) {
        if (i < free.size()) {
            set(*homeless[i], "bus", free[i]);
            set(*homeless[i], "addr", std::string("0x0"));
            continue;
        }
        diagnostics_.add(
            {DiagnosticKind::BusFull,
             homeless[i]->origin,
             fmt::format("no room for device \"{}\" in the running VM: all of its {} ports are taken",
                         homeless[i]->id.id, ports),
             {},
             {"the next start has room for it; `hotplug.pcie-ports` says how many ports are spare then"}});
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

}  // namespace

void place(config::Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics,
           const config::Vm* running) {
    Placer(vm, qemu, diagnostics, running).run();
}

}  // namespace qvm::launch
