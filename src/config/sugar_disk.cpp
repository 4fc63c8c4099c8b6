// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_disk.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/sugar_secret.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

struct Suffix {
    std::string_view suffix, format;
};
constexpr std::array<Suffix, 5> suffixes{
    {{".qcow2", "qcow2"}, {".raw", "raw"}, {".iso", "raw"}, {".vmdk", "vmdk"}, {".vhdx", "vhdx"}}};

/// What a cache mode means: the cache members of the block node, and the write cache that the guest sees. See
/// qemu(1), -drive cache=.
struct CacheMode {
    std::string_view name;
    bool direct, no_flush;
    std::string_view write_cache;
};
constexpr std::array<CacheMode, 5> cache_modes{{{"none", true, false, "on"},
                                                {"writeback", false, false, "on"},
                                                {"writethrough", false, false, "off"},
                                                {"directsync", true, false, "off"},
                                                {"unsafe", false, true, "on"}}};

const CacheMode* cache_of(const Item& disk) {
    const auto name = disk.text("cache");
    const auto found = std::ranges::find(cache_modes, name.value_or(""), &CacheMode::name);
    return found == cache_modes.end() ? nullptr : &*found;
}

void put_cache(const Item& disk, Members& node) {
    const CacheMode* cache = cache_of(disk);
    if (cache == nullptr) return;
    Members flags(disk.origin_of("cache"));
    flags.put("direct", cache->direct).put("no-flush", cache->no_flush);
    node.put("cache", std::move(flags.table()), disk.origin_of("cache"));
}

/// Of the file a disk is on: a block device or a plain file.
std::string file_driver(const fs::path& path) {
    return path.native().starts_with("/dev/") ? "host_device" : "file";
}

/// Where the format of a file is said.
struct FormatKey {
    std::string_view file, format;
};
constexpr FormatKey of_file{"file", "format"}, of_base{"base", "base-format"};

/// The format by the key, else by the file's suffix; never by what is in the file, which a guest may have
/// written.
std::optional<std::string> format_of(Lowering& lowering, const Item& disk, const FormatKey& keys) {
    if (const auto format = disk.text(keys.format)) return format;
    if (disk.says(keys.format)) return std::nullopt;
    const std::string& file = *disk.value(keys.file)->string();
    if (const auto known = format_of_suffix(file); !known.empty()) return std::string(known);
    lowering.report(
        DiagnosticKind::Missing, disk.origin_of(keys.file),
        fmt::format("{} needs a {}: the suffix of '{}' tells none", disk.where, keys.format, file),
        {fmt::format(
             "say {} = \"raw\", or \"qcow2\", ..: what is in the file is not looked at, because a guest "
             "may have written it",
             keys.format),
         "known suffixes are .qcow2 .raw .iso .vmdk .vhdx"});
    return std::nullopt;
}

Members file_node(const std::string& name, const fs::path& path, const std::string& driver,
                  const Origin& origin) {
    Members node(origin);
    node.put("driver", driver).put("node-name", name).put("filename", path.string());
    return node;
}

/// What the node lies on: the file of the user, or one that qvm keeps.
struct Place {
    fs::path path;
    Origin origin;
};

/// The file below an overlay, which is only read.
Members base_node(Lowering& lowering, const Item& disk, const FormatKey& keys, const std::string& format) {
    const Value& said = *disk.value(keys.file);
    const fs::path path = lowering.absolute(said);
    Members file = file_node(disk.id + ".base.file", path, file_driver(path), said.origin);
    file.copy("aio", *disk.table, "aio");
    Members node(said.origin);
    node.put("driver", format, disk.origin_of(disk.says(keys.format) ? keys.format : keys.file));
    node.put("node-name", disk.id + ".base").put("read-only", true);
    put_cache(disk, node);
    node.put("file", std::move(file.table()));
    return node;
}

/// An image over another one. False if there is none, which has been reported.
bool lower_overlay(Lowering& lowering, const Item& disk, Members& node) {
    const bool ephemeral = disk.flag("ephemeral").value_or(false);
    const FormatKey& below = disk.value("base") != nullptr ? of_base : of_file;
    const auto base_format = format_of(lowering, disk, below);
    if (!base_format) return false;
    Place place{lowering.kept(fmt::format("disks/{}{}.qcow2", disk.id, ephemeral ? ".ephemeral" : "")),
                disk.origin_of(ephemeral ? "ephemeral" : "base")};
    std::optional<std::string> format = "qcow2";
    if (!ephemeral && disk.value("file") != nullptr) {
        place = {lowering.absolute(*disk.value("file")), disk.origin_of("file")};
        format = format_of(lowering, disk, of_file);
    } else if (!ephemeral && disk.says("format")) {
        format = disk.text("format");
    }
    if (!format) return false;
    if (*format != "qcow2")
        lowering.report(DiagnosticKind::Conflict, disk.origin_of(disk.says("format") ? "format" : "file"),
                        fmt::format("{}: an image over a base is qcow2, not {}", disk.where, *format));
    node.put("driver", std::string("qcow2"), place.origin);
    encrypt(lowering, disk, *format, node);
    if (const Value* size = disk.value("size"))
        node.put("create", size->data, size->origin);
    else
        node.put("create", true, place.origin);
    if (ephemeral) node.put("ephemeral", true, place.origin);
    Members file = file_node(disk.id + ".file", place.path, "file", place.origin);
    file.copy("aio", *disk.table, "aio");
    node.put("file", std::move(file.table()), place.origin);
    node.put("backing", std::move(base_node(lowering, disk, below, *base_format).table()),
             disk.origin_of(below.file));
    return true;
}

/// An image of its own. False if there is none, which has been reported.
bool lower_image(Lowering& lowering, const Item& disk, bool driver_given, Members& node) {
    const auto format = driver_given ? disk.text("format") : format_of(lowering, disk, of_file);
    if (!format && !driver_given) return false;
    if (format) node.put("driver", *format, disk.origin_of(disk.says("format") ? "format" : "file"));
    if (format) encrypt(lowering, disk, *format, node);
    const Value& said = *disk.value("file");
    const fs::path path = lowering.absolute(said);
    const std::string driver = file_driver(path);
    const bool makes = format == "raw" || format == "qcow2";
    if (const Value* size = disk.value("size"); size != nullptr && makes && driver == "file")
        node.put("create", size->data, size->origin);
    Members file = file_node(disk.id + ".file", path, driver, said.origin);
    file.copy("aio", *disk.table, "aio");
    node.put("file", std::move(file.table()), disk.origin_of("file"));
    return true;
}

/// False if there is no node, which has been reported.
bool lower_node(Lowering& lowering, const Item& disk) {
    const Table* over = disk.inner("blockdev");
    const bool driver_given = over != nullptr && over->find("driver") != nullptr;
    const bool ephemeral = disk.flag("ephemeral").value_or(false);
    Members node(disk.origin);
    if (disk.value("base") != nullptr || (ephemeral && disk.value("file") != nullptr)) {
        if (!lower_overlay(lowering, disk, node)) return false;
    } else if (disk.value("file") != nullptr) {
        if (!lower_image(lowering, disk, driver_given, node)) return false;
    } else if (!driver_given) {
        if (!disk.says("file") && !disk.says("base"))
            lowering.report(
                DiagnosticKind::Missing, disk.origin, fmt::format("{} has no file", disk.where),
                {"say file = \"PATH\", or base = \"PATH\" for an image over that one, or describe "
                 "the node in [" +
                 disk.where + ".blockdev]"});
        return false;
    }
    node.copy("read-only", *disk.table, "read-only");
    if (!disk.says("throttle") && !ephemeral) node.copy("grow-to", *disk.table, "size");
    if (const Value* discard = disk.value("discard")) {
        const bool unmap =
            discard->boolean() != nullptr ? *discard->boolean() : *discard->string() == "unmap";
        node.put("discard", std::string(unmap ? "unmap" : "ignore"), discard->origin);
    }
    put_cache(disk, node);
    lowering.add(Kind::Blockdev, disk.id, std::move(node), disk, "blockdev");
    return true;
}

/// A throttle over the node. It hands on no discard, and writes nothing, that it was not told of itself; and
/// the device learns of another size only from the node that it uses.
std::string lower_throttle(Lowering& lowering, const Item& disk) {
    const auto group = disk.text("throttle");
    if (!group) return disk.id;
    Members node(disk.origin_of("throttle"));
    node.put("driver", std::string("throttle")).put("throttle-group", *group).put("file", disk.id);
    const Table& below = *lowering.vm().find({Kind::Blockdev, disk.id})->properties.table();
    node.copy("read-only", below, "read-only").copy("discard", below, "discard");
    if (!disk.flag("ephemeral").value_or(false)) node.copy("grow-to", *disk.table, "size");
    const std::string id = disk.id + ".thr";
    lowering.add(Kind::Blockdev, id, std::move(node), disk);
    return id;
}

/// Keys of an image over another one.
void check_overlay(Lowering& lowering, const Item& disk) {
    const bool ephemeral = disk.flag("ephemeral").value_or(false);
    const auto conflict = [&](std::string_view key, std::string why, std::vector<std::string> advice = {}) {
        lowering.report(DiagnosticKind::Conflict, disk.origin_of(key), fmt::format("{}: {}", disk.where, why),
                        std::move(advice));
    };
    if (disk.says("base-format") && !disk.says("base")) conflict("base-format", "base-format goes with base");
    if (ephemeral && disk.says("base") && disk.says("file"))
        conflict("file", "what an ephemeral disk with a base writes is in no file",
                 {"leave file out, or ephemeral"});
    if (ephemeral && disk.says("encrypt"))
        conflict("encrypt",
                 "an ephemeral disk keeps what is written in an image of its own, which would not be "
                 "encrypted",
                 {"leave ephemeral out"});
    if (ephemeral && disk.flag("read-only").value_or(false))
        conflict("ephemeral", "nothing is written to a read-only disk that could be forgotten",
                 {"leave ephemeral out"});
}

/// Keys that only some buses have a place for.
void check_combinations(Lowering& lowering, const Item& disk, const std::string& bus) {
    for (const std::string_view key : {"iothread", "queues"})
        if (disk.says(key) && bus != "virtio" && bus != "scsi")
            lowering.report(
                DiagnosticKind::Conflict, disk.origin_of(key),
                fmt::format("{}: {} needs bus = \"virtio\" or \"scsi\", not \"{}\"", disk.where, key, bus));
    if (disk.says("size") && disk.flag("read-only").value_or(false))
        lowering.report(DiagnosticKind::Conflict, disk.origin_of("size"),
                        fmt::format("{}: a read-only disk cannot grow", disk.where));
    // hw/nvme/ns.c shares no right to resize.
    if (disk.says("size") && bus == "nvme")
        lowering.report(
            DiagnosticKind::Conflict, disk.origin_of("size"),
            fmt::format("{}: QEMU does not let a disk grow that is on the bus \"nvme\"", disk.where),
            {"use another bus, or leave size out and grow the file by `qemu-img resize` while the "
             "VM does not run"});
    if (disk.flag("read-only").value_or(false) && bus == "sata")
        lowering.report(DiagnosticKind::Conflict, disk.origin_of("read-only"),
                        fmt::format("{}: a sata disk cannot be read-only", disk.where),
                        {"use another bus, or a [cdrom.X]"});
    check_overlay(lowering, disk);
    const CacheMode* cache = cache_of(disk);
    if (disk.text("aio") == "native" && (cache == nullptr || !cache->direct) &&
        disk.inner("blockdev") == nullptr)
        lowering.report(DiagnosticKind::Conflict, disk.origin_of("aio"),
                        fmt::format("{}: aio = \"native\" works only without the host's cache", disk.where),
                        {"say cache = \"none\" or \"directsync\""});
}

void lower_device(Lowering& lowering, Buses& buses, const Item& disk, const std::string& node) {
    const std::string bus = disk.text("bus").value_or("virtio");
    const Table* over = disk.inner("device");
    const bool bus_given = over != nullptr && over->find("bus") != nullptr;
    Members device(disk.origin);
    const Origin bus_origin = disk.origin_of("bus");
    if (bus == "virtio") {
        device.put("driver", lowering.virtio("blk"), bus_origin);
        device.copy("iothread", *disk.table, "iothread").copy("num-queues", *disk.table, "queues");
    } else if (bus == "scsi") {
        device.put("driver", std::string("scsi-hd"), bus_origin);
        if (!bus_given) device.put("bus", buses.scsi(disk));
    } else if (bus == "nvme") {
        device.put("driver", std::string("nvme"), bus_origin);
        if (!disk.says("serial")) device.put("serial", disk.id);  // NVMe has no device without one
    } else if (bus == "sata") {
        device.put("driver", std::string("ide-hd"), bus_origin);
        if (!bus_given) buses.ide(disk, device);
    } else {
        device.put("driver", std::string("usb-storage"), bus_origin);
    }
    device.put("drive", node);
    device.copy("serial", *disk.table, "serial").copy("bootindex", *disk.table, "boot");
    device.copy("share-rw", *disk.table, "share-rw");
    if (const CacheMode* cache = cache_of(disk))
        device.put("write-cache", std::string(cache->write_cache), disk.origin_of("cache"));
    lowering.add(Kind::Device, disk.id, std::move(device), disk, "device");
}

}  // namespace

std::string_view format_of_suffix(std::string_view file) {
    const auto found =
        std::ranges::find_if(suffixes, [&](const Suffix& s) { return file.ends_with(s.suffix); });
    return found == suffixes.end() ? std::string_view() : found->format;
}

void lower_disks(Lowering& lowering, Buses& buses) {
    for (const auto& disk : lowering.named("disk")) {
        check_combinations(lowering, disk, disk.text("bus").value_or("virtio"));
        if (lower_node(lowering, disk)) lower_device(lowering, buses, disk, lower_throttle(lowering, disk));
    }
}

void lower_cdroms(Lowering& lowering, Buses& buses) {
    for (const auto& cdrom : lowering.named("cdrom")) {
        if (const Value* file = cdrom.value("file")) {
            const bool is_drive = lowering.absolute(*file).native().starts_with("/dev/");
            Members node(cdrom.origin);
            node.put("driver", std::string("raw")).put("read-only", true);
            Members below = file_node(cdrom.id + ".file", lowering.absolute(*file),
                                      is_drive ? "host_cdrom" : "file", file->origin);
            node.put("file", std::move(below.table()), file->origin);
            lowering.add(Kind::Blockdev, cdrom.id, std::move(node), cdrom);
        }
        const std::string bus = cdrom.text("bus").value_or(lowering.is_microvm() ? "scsi" : "sata");
        Members device(cdrom.origin);
        device.put("driver", std::string(bus == "scsi" ? "scsi-cd" : "ide-cd"), cdrom.origin_of("bus"));
        if (bus == "scsi")
            device.put("bus", buses.scsi(cdrom));
        else
            buses.ide(cdrom, device);
        if (cdrom.value("file") != nullptr) device.put("drive", cdrom.id);
        device.copy("bootindex", *cdrom.table, "boot");
        lowering.add(Kind::Device, cdrom.id, std::move(device), cdrom);
    }
}

}  // namespace qvm::config
