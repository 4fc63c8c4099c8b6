// SPDX-License-Identifier: GPL-3.0-or-later
// Drives: as sugar with their device where that says the same, else as block nodes.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/import_translator.hpp"
#include "config/sugar_disk.hpp"

namespace qvm::config {
namespace {

struct DriveDevice {
    std::string_view driver, bus;
    bool cdrom = false;
};
/// Devices that a disk or cdrom table makes.
constexpr std::array drive_devices{
    DriveDevice{"virtio-blk-pci", "virtio"},
    DriveDevice{"virtio-blk-device", "virtio"},
    DriveDevice{"scsi-hd", "scsi"},
    DriveDevice{"ide-hd", "sata"},
    DriveDevice{"nvme", "nvme"},
    DriveDevice{"usb-storage", "usb"},
    DriveDevice{"ide-cd", "sata", true},
    DriveDevice{"scsi-cd", "scsi", true},
};

constexpr std::array<std::string_view, 4> scsi_controllers{"virtio-scsi-pci", "virtio-scsi-device",
                                                           "lsi53c895a", "megasas"};

/// Properties of the device that the table has keys for.
struct KeyOfProperty {
    std::string_view property, key;
};
constexpr std::array disk_properties{
    KeyOfProperty{"serial", "serial"},     KeyOfProperty{"bootindex", "boot"},
    KeyOfProperty{"iothread", "iothread"}, KeyOfProperty{"num-queues", "queues"},
    KeyOfProperty{"share-rw", "share-rw"},
};

constexpr std::array<std::string_view, 4> disk_interfaces{"virtio", "scsi", "ide", "none"};

/// "nbd://", "fat:", "json:": no path of this host.
bool is_protocol(std::string_view file) {
    const auto colon = file.find(':');
    const auto slash = file.find('/');
    return colon != std::string_view::npos && (slash == std::string_view::npos || colon < slash);
}

/// "readonly" is the older name.
bool take_read_only(OptionPairs& pairs) {
    const bool older = pairs.take_flag("readonly").value_or(false);
    return pairs.take_flag("read-only").value_or(older);
}

}  // namespace

void Translator::drive(const GivenOption& option) {
    Drive drive{parse_pairs(option.argument, ""), option.shown(), ""};
    drive.id = drive.pairs.take("id").value_or("");
    drives_.push_back(std::move(drive));
}

void Translator::plain_disk(const GivenOption& option) {
    Drive drive{{}, option.shown(), option.name};
    drive.pairs.add("file", option.argument);
    if (option.name == "cdrom") drive.pairs.add("media", "cdrom");
    if (option.name.empty()) drive.id = "hda";
    drives_.push_back(std::move(drive));
}

void Translator::pflash(const GivenOption& option) {
    Drive drive{{}, option.shown(), ""};
    drive.pairs.add("if", "pflash");
    drive.pairs.add("format", "raw");
    drive.pairs.add("file", option.argument);
    drives_.push_back(std::move(drive));
}

Translator::Drive* Translator::drive_of(const Device& device) {
    const Value* name = device.properties.find("drive");
    if (name == nullptr || name->string() == nullptr) return nullptr;
    const auto found = std::ranges::find(drives_, *name->string(), &Drive::id);
    return found == drives_.end() ? nullptr : &*found;
}

void Translator::put_file(Draft::Part& part, Drive& drive) {
    const auto file = drive.pairs.take("file");
    const auto format = drive.pairs.take("format");
    if (!file) return;
    part.put("file", *file);
    if (part.path[0] == "cdrom") return;
    if (format && *format != format_of_suffix(*file)) {
        part.put("format", *format);
    } else if (!format && format_of_suffix(*file).empty()) {
        part.put("format", "raw");
        warn(part, fmt::format("{}: no format was given, and raw is assumed: qvm never guesses it from what "
                               "is in the file; say format = \"qcow2\" if it is that",
                               *file));
    }
}

void Translator::put_disk_keys(Draft::Part& part, Drive& drive) {
    OptionPairs& pairs = drive.pairs;
    if (take_read_only(pairs)) part.put("read-only", true);
    for (const char* key : {"cache", "aio", "discard"})
        if (auto value = pairs.take(key)) {
            if (std::string_view(key) == "discard")
                value = *value == "on" || *value == "unmap" ? "unmap" : "ignore";
            part.put(key, std::string(*value));
        }
    if (auto serial = pairs.take("serial")) part.put("serial", *serial);
    for (const char* key : {"werror", "rerror"})
        if (auto value = pairs.take(key)) {
            Table device;
            device.set(key, {}, Value(*value, {}));
            part.merge_into("device", std::move(device));
        }
    if (const auto zeroes = pairs.take("detect-zeroes")) {
        Table node;
        node.set("detect-zeroes", {}, Value(*zeroes, {}));
        part.merge_into("blockdev", std::move(node));
    }
    for (const char* place : {"index", "bus", "unit"}) pairs.take(place);  // free places are taken in order
    leave_out_rest(drive.shown, pairs, "a disk has no such key");
}

void Translator::write_sugar_disk(Drive& drive, const std::string& bus, bool cdrom, Device* device) {
    drive.pairs.take("media");
    const auto* file = drive.pairs.find("file");
    if ((file == nullptr && !cdrom) || (file != nullptr && is_protocol(*file))) {
        leave_out(drive.shown, "it is on no file of this host; a [disk.X.blockdev] can say what it is on");
        return;
    }
    const bool named = device != nullptr && !device->id.empty();
    const std::string wanted = named               ? device->id
                               : !drive.id.empty() ? drive.id
                               : cdrom             ? "cdrom"
                                                   : fmt::format("disk{}", disks_++);
    if (named) ids_.erase(device->id);  // it becomes the table's name
    const std::string id = sugar_id(wanted);
    Draft::Part& part = draft_.add({cdrom ? "cdrom" : "disk", id}, drive.shown);
    if (device != nullptr) part.comments.push_back(device->shown);
    put_file(part, drive);
    if (cdrom) {
        if (bus == "scsi") part.put("bus", bus);
        take_read_only(drive.pairs);
        for (const char* place : {"index", "bus", "unit"}) drive.pairs.take(place);
        leave_out_rest(drive.shown, drive.pairs, "a cdrom has no such key");
    } else {
        if (bus != "virtio") part.put("bus", bus);
        put_disk_keys(part, drive);
    }
    Table rest = device == nullptr ? Table() : device->properties;
    for (const auto& [property, key] : disk_properties)
        if (const Value* value = rest.find(property)) {
            part.put(std::string(key), *value);
            rest.erase(property);
        }
    rest.erase("drive");
    if (bus == "scsi" && rest.find("bus") == nullptr) raw_scsi_bus(rest);
    if (bus == "scsi") put_device_id(rest, drive, part.members.find("serial") != nullptr);
    if (!cdrom) part.merge_into("device", std::move(rest));
}

/// With a controller of its own on the command line, a SCSI disk is on that.
void Translator::raw_scsi_bus(Table& properties) {
    for (auto& device : devices_) {
        if (std::ranges::find(scsi_controllers, device.driver) == scsi_controllers.end()) continue;
        if (device.id.empty()) device.id = raw_id("", "scsi");
        properties.set("bus", {}, Value(device.id + ".0", {}));
        return;
    }
}

/// A SCSI disk without a serial number tells its guest the drive's id, and /dev/disk/by-id has it.
void Translator::put_device_id(Table& properties, const Drive& drive, bool has_serial) {
    const bool told =
        has_serial || properties.find("serial") != nullptr || properties.find("device_id") != nullptr;
    if (!told && !drive.id.empty()) properties.set("device_id", {}, Value(drive.id, {}));
}

void Translator::write_disk_device(Drive& drive, Device& device) {
    const auto row = std::ranges::find(drive_devices, device.driver, &DriveDevice::driver);
    drive.taken = true;
    Table controller;
    raw_scsi_bus(controller);
    const bool on_controller = row != drive_devices.end() && row->bus == "scsi" && !controller.empty();
    // A cdrom table takes no override.
    static constexpr std::array<std::string_view, 4> cdrom_keys{"drive", "bootindex", "bus", "unit"};
    const bool plain = row != drive_devices.end() && (!row->cdrom || !on_controller) &&
                       (!row->cdrom || std::ranges::all_of(device.properties.entries(), [](const Entry& e) {
                           return std::ranges::find(cdrom_keys, e.key) != cdrom_keys.end();
                       }));
    if (!plain) {
        if (device.driver.ends_with("-cd")) drive.pairs.add("media", "cdrom");
        write_raw_disk(drive);
        device.properties.set("drive", {}, Value(drive.id, {}));
        if (device.driver == "scsi-hd" || device.driver == "scsi-cd")
            put_device_id(device.properties, drive, false);
        return;
    }
    if (row->cdrom)
        for (const char* place : {"bus", "unit"}) device.properties.erase(place);
    write_sugar_disk(drive, std::string(row->bus), row->cdrom, &device);
    device.driver.clear();  // the table makes it
}

void Translator::write_raw_disk(Drive& drive) {
    Draft::Part& part = draft_.add({"blockdev", drive.id}, drive.shown);
    const auto file = drive.pairs.take("file");
    const auto format = drive.pairs.take("format");
    const std::string_view known = file ? format_of_suffix(*file) : std::string_view();
    part.put("driver", format ? *format : std::string(known.empty() ? "raw" : known));
    const bool cdrom = drive.pairs.take("media") == "cdrom";
    if (take_read_only(drive.pairs) || cdrom) part.put("read-only", true);
    if (file && !format && known.empty())
        warn(part, fmt::format("{}: no format was given, and raw is assumed", *file));
    Table node;
    node.set("driver", {},
             Value(std::string(file && file->starts_with("/dev/") ? "host_device" : "file"), {}));
    node.set("filename", {}, Value(file.value_or(""), {}));
    part.put("file", Value(std::move(node), {}));
    for (const char* place : {"if", "index", "bus", "unit"}) drive.pairs.take(place);
    leave_out_rest(drive.shown, drive.pairs, "this block node was not given it");
}

/// The boards make flash of two nodes: pflash0 and pflash1.
void Translator::write_flash(Drive& drive) {
    const auto unit = drive.pairs.take("unit");
    const auto index = drive.pairs.take("index");
    const std::string number = unit.value_or(index.value_or(std::to_string(flashes_++)));
    drive.id = raw_id("", "pflash" + number);
    machine_properties_.set("pflash" + number, {}, Value(drive.id, {}));
    write_raw_disk(drive);
}

void Translator::write_disk(Drive& drive) {
    const std::string interface = drive.pairs.take("if").value_or("");
    const bool cdrom = drive.pairs.take("media") == "cdrom";
    if (!interface.empty() && std::ranges::find(disk_interfaces, interface) == disk_interfaces.end()) {
        leave_out(drive.shown, fmt::format("the language has no '{}' drives", interface));
        return;
    }
    if (interface == "none") {
        leave_out(drive.shown, "no device uses it");
        return;
    }
    std::string bus = interface == "ide" ? "sata" : interface;
    if (bus.empty()) bus = machine_defaults().disk_bus;
    if (cdrom && bus == "virtio") {
        drive.pairs.take("readonly");
        drive.pairs.add("readonly", "on");
    }
    write_sugar_disk(drive, bus, cdrom && bus != "virtio", nullptr);
}

void Translator::write_flashes() {
    for (auto& drive : drives_)
        if (const auto* interface = drive.pairs.find("if"); interface != nullptr && *interface == "pflash") {
            write_flash(drive);
            drive.taken = true;
        }
}

void Translator::write_disks() {
    for (auto& drive : drives_) {
        if (drive.taken) continue;
        if (drive.pairs.take_flag("snapshot").value_or(false))
            leave_out(drive.shown, "snapshot=on: every write of the guest goes to the image");
        const auto device =
            std::ranges::find_if(devices_, [&](const Device& d) { return drive_of(d) == &drive; });
        if (device == devices_.end() || drive.id.empty()) {
            write_disk(drive);
            continue;
        }
        drive.pairs.take("if");
        write_disk_device(drive, *device);
    }
}

void Translator::blockdev(const GivenOption& option) {
    auto table = json_table(option.argument);
    if (!table) table = nested_table(parse_pairs(option.argument, "driver"), ValueFor::Qapi);
    const Value* name = table->find("node-name");
    if (name == nullptr || name->string() == nullptr) {
        leave_out(option.shown(), "a [blockdev.X] needs a node-name");
        return;
    }
    Draft::Part& part = draft_.add({"blockdev", *name->string()}, option.shown());
    table->erase("node-name");
    part.members = std::move(*table);
}

}  // namespace qvm::config
