// SPDX-License-Identifier: GPL-3.0-or-later
// Objects and devices that no sugar stands for, under QEMU's own names.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/import_translator.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

struct Pair {
    std::string_view from, to;
};

/// Names that -device takes and device_add's schema does not list. QEMU system/qdev-monitor.c:
/// qdev_alias_table.
constexpr std::array driver_aliases{
    Pair{"ac97", "AC97"},         Pair{"ahci", "ich9-ahci"},      Pair{"es1370", "ES1370"},
    Pair{"lsi", "lsi53c895a"},    Pair{"e1000-82540em", "e1000"}, Pair{"ide-drive", "ide-hd"},
    Pair{"scsi-disk", "scsi-hd"},
};

/// "virtio-X" is virtio-X-pci, or virtio-X-device where there is no PCI.
constexpr std::array<std::string_view, 17> virtio_kinds{
    "blk",    "net",        "rng", "balloon", "serial", "scsi", "gpu", "keyboard", "mouse",
    "tablet", "input-host", "9p",  "crypto",  "iommu",  "pmem", "mem", "sound"};

/// Properties that name a backend.
constexpr std::array<std::string_view, 5> backend_properties{"tpmdev", "fsdev", "chardev", "netdev", "drive"};

/// Devices that take the place of QEMU's default VGA. QEMU system/vl.c: default_list.
constexpr std::array<std::string_view, 8> vga_drivers{"VGA",     "isa-vga",    "cirrus-vga",    "vmware-svga",
                                                      "qxl-vga", "virtio-vga", "virtio-vga-gl", "ati-vga"};

std::string driver_of(const std::string& name, bool microvm) {
    const auto alias = std::ranges::find(driver_aliases, name, &Pair::from);
    if (alias != driver_aliases.end()) return std::string(alias->to);
    constexpr std::string_view lead = "virtio-";
    if (!name.starts_with(lead)) return name;
    const bool known = std::ranges::find(virtio_kinds, name.substr(lead.size())) != virtio_kinds.end();
    return known ? name + (microvm ? "-device" : "-pci") : name;
}

std::string text_of(const Table& table, std::string_view key) {
    const Value* value = table.find(key);
    return value == nullptr || value->string() == nullptr ? std::string() : *value->string();
}

/// What the rng table makes: config/sugar_console.cpp. Its object reads the host's own randomness.
bool is_plain_rng(const std::string& type, const Table& members) {
    const std::string file = text_of(members, "filename");
    return (type == "rng-builtin" && members.empty()) ||
           (type == "rng-random" && members.entries().size() <= 1 &&
            (file.empty() || file == "/dev/urandom" || file == "/dev/random"));
}

bool is_balloon_key(std::string_view property) {
    return property == "deflate-on-oom" || property == "free-page-reporting";
}

}  // namespace

void Translator::object(const GivenOption& option) {
    auto members = json_table(option.argument);
    if (!members) members = nested_table(parse_pairs(option.argument, "qom-type"), ValueFor::Qapi);
    Object object{text_of(*members, "qom-type"), text_of(*members, "id"), option.shown(), {}};
    for (const char* key : {"qom-type", "id"}) members->erase(key);
    object.members = std::move(*members);
    objects_.push_back(std::move(object));
}

void Translator::device(const GivenOption& option) {
    auto properties = json_table(option.argument);
    if (!properties) properties = nested_table(parse_pairs(option.argument, "driver"), ValueFor::Property);
    Device device{text_of(*properties, "driver"), text_of(*properties, "id"), option.shown(), {}};
    for (const char* key : {"driver", "id"}) properties->erase(key);
    device.properties = std::move(*properties);
    devices_.push_back(std::move(device));
}

void Translator::normalize_drivers() {
    for (auto& device : devices_) {
        device.driver = driver_of(device.driver, machine_type_ == "microvm");
        if (std::ranges::find(vga_drivers, device.driver) != vga_drivers.end() && vga_.empty()) vga_ = "none";
    }
}

void Translator::write_rng() {
    for (auto& device : devices_) {
        if (device.driver != "virtio-rng-pci" && device.driver != "virtio-rng-device") continue;
        const std::string name = text_of(device.properties, "rng");
        const auto object = std::ranges::find(objects_, name, &Object::id);
        const bool known = object != objects_.end();
        if (device.properties.entries().size() > (name.empty() ? 0U : 1U) ||
            (known ? !is_plain_rng(object->type, object->members) : !name.empty()))
            continue;
        if (known) object->taken = true;
        draft_.set("rng", Value(true, {}), device.shown);
        device.driver.clear();  // the table makes it
        return;
    }
}

void Translator::write_balloon() {
    for (auto& device : devices_) {
        if (device.driver != "virtio-balloon-pci" && device.driver != "virtio-balloon-device") continue;
        const auto& given = device.properties.entries();
        if (!std::ranges::all_of(given, [](const Entry& e) { return is_balloon_key(e.key); })) return;
        draft_.set("balloon", given.empty() ? Value(true, {}) : Value(device.properties, {}), device.shown);
        device.driver.clear();
        return;
    }
}

/// With what it does when nobody feeds it, wherever on the command line that was said.
void Translator::write_watchdog() {
    const auto device = std::ranges::find_if(devices_, [](const Device& d) {
        return (d.driver == "i6300esb" || d.driver == "ib700") && d.properties.empty();
    });
    if (device == devices_.end()) {
        if (watchdog_action_)
            draft_.at({"option", "action"}, watchdog_action_->shown)
                .put("watchdog", watchdog_action_->action);
        return;
    }
    Value model(device->driver, {});
    std::string shown = device->shown;
    if (watchdog_action_) {
        Table members;
        members.set("model", {}, std::move(model));
        members.set("action", {}, Value(watchdog_action_->action, {}));
        model = Value(std::move(members), {});
        shown += ", " + watchdog_action_->shown;
    }
    draft_.set("watchdog", std::move(model), shown);
    device->driver.clear();
}

void Translator::write_object(const Object& object) {
    const bool iothread = object.type == "iothread" && is_sugar_id(object.id);
    Draft::Part& part = draft_.add({iothread ? "iothread" : "object", object.id}, object.shown);
    if (!iothread) part.put("qom-type", object.type);
    merge(part.members, object.members);
    if (object.type != "memory-backend-file") return;
    // A path of the host cannot get into the jail; the memory is shared as well without one.
    const bool huge = text_of(object.members, "mem-path").find("huge") != std::string::npos;
    warn(part, fmt::format("{}: memory that needs no path in the jail, in place of memory-backend-file",
                           object.id));
    part.put("qom-type", "memory-backend-memfd");
    part.members.erase("mem-path");
    if (huge) part.put("hugetlb", true);
}

void Translator::write_objects() {
    write_rng();
    write_balloon();
    write_watchdog();
    for (const auto& object : objects_)
        if (!object.taken) write_object(object);
}

std::string Translator::lost_backend_of(const Device& device) const {
    for (const auto key : backend_properties) {
        const std::string id = text_of(device.properties, key);
        if (!id.empty() && lost_.contains(id)) return id;
    }
    return {};
}

void Translator::write_device(Device& device) {
    if (device.driver.empty()) return;  // a table of sugar makes it
    if (const auto id = lost_backend_of(device); !id.empty()) {
        leave_out(device.shown, fmt::format("it is on '{}', which is left out", id));
        return;
    }
    if (device.driver == "usb-host" && write_usb_host(device)) return;
    std::string base = device.driver;
    for (const std::string_view suffix : {"-pci", "-device"})
        if (base.ends_with(suffix)) base.resize(base.size() - suffix.size());
    for (char& c : base)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    Draft::Part& part = draft_.add({"device", raw_id(device.id, base)}, device.shown);
    part.put("driver", device.driver);
    merge(part.members, device.properties);
}

void Translator::write_devices() {
    for (auto& device : devices_) write_device(device);
}

}  // namespace qvm::config
