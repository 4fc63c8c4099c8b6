// SPDX-License-Identifier: GPL-3.0-or-later
// The disks and nics of a domain.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/import_syntax.hpp"
#include "config/libvirt_domain.hpp"
#include "config/sugar_disk.hpp"

namespace qvm::config {
namespace {

struct KeyOf {
    std::string_view libvirt, key;
};
constexpr auto driver_keys =
    std::to_array<KeyOf>({{"cache", "cache"}, {"io", "aio"}, {"discard", "discard"}});
constexpr auto device_keys = std::to_array<KeyOf>(
    {{"error_policy", "werror"}, {"rerror_policy", "rerror"}, {"queue_size", "queue-size"}});

struct Limit {
    std::string_view libvirt, table, key;
};
constexpr auto limits = std::to_array<Limit>({
    {"total_bytes_sec", "bytes", "total"},
    {"read_bytes_sec", "bytes", "read"},
    {"write_bytes_sec", "bytes", "write"},
    {"total_bytes_sec_max", "bytes", "total-max"},
    {"read_bytes_sec_max", "bytes", "read-max"},
    {"write_bytes_sec_max", "bytes", "write-max"},
    {"total_iops_sec", "iops", "total"},
    {"read_iops_sec", "iops", "read"},
    {"write_iops_sec", "iops", "write"},
    {"total_iops_sec_max", "iops", "total-max"},
    {"read_iops_sec_max", "iops", "read-max"},
    {"write_iops_sec_max", "iops", "write-max"},
});

std::string bus_of(const std::string& bus) {
    return bus == "ide" ? "sata" : bus;
}

}  // namespace

void LibvirtDomain::put_boot(Node device, Draft::Part& part, const char* kind) {
    if (const auto order = take_number(see(device, "boot"), "order")) {
        part.put("boot", *order);
        return;
    }
    const auto usual = boot_order_.find(kind);
    if (usual == boot_order_.end()) return;
    part.put("boot", std::int64_t{usual->second});
    boot_order_.erase(usual);
}

void LibvirtDomain::disk(Node disk) {
    const std::string device = disk.attribute("device").as_string("disk");
    const std::string type = disk.attribute("type").value();
    const Node target = see(disk, "target");
    auto bus = bus_of(target.attribute("bus").value());
    const bool cdrom = device == "cdrom";
    constexpr auto buses = std::to_array<std::string_view>({"virtio", "scsi", "sata", "usb", "nvme"});
    const Node source = disk.child("source");
    const bool on_file = source.attribute("file") || source.attribute("dev");
    const bool here = (type == "file" || type == "block") && (cdrom || on_file) &&
                      (device == "disk" || cdrom) &&
                      (bus.empty() || std::ranges::find(buses, std::string_view(bus)) != buses.end());
    if (!here) {
        leave_out(disk, "a [blockdev.X] and a [device.X] can say it");
        return;
    }
    for (const char* read : {"type", "device"}) take(disk, read);
    take(target, "bus");
    const auto id = unique_id(take(target, "dev").value_or(cdrom ? "cdrom" : "disk"));
    auto& part = draft_.add({cdrom ? "cdrom" : "disk", id});
    see(disk, "readonly");
    take(disk, "snapshot");
    take(disk, "model");
    if (bus.empty()) bus = "virtio";
    if (cdrom && bus == "scsi") part.put("bus", bus);
    if (!cdrom && bus != "virtio") part.put("bus", bus);
    disk_source(disk, part, cdrom);
    put_boot(disk, part, cdrom ? "cdrom" : "hd");
    const auto serial = text_of(disk, "serial");
    if (cdrom) {
        for (const char* usual : {"driver", "tray", "backingStore"})
            if (const Node node = disk.child(usual)) drop(node);
        take(target, "tray");
        take(target, "removable");
        if (serial) warn(fmt::format("serial {} of {}: a cdrom has no such key", *serial, id));
        return;
    }
    if (disk.child("readonly")) part.put("read-only", true);
    if (see(disk, "shareable")) part.put("share-rw", true);
    if (serial) part.put("serial", *serial);
    if (!serial && bus == "scsi") put_device_id(disk, part);
    disk_driver(disk, part);
    disk_limits(disk, part, id);
}

/// libvirt gives a SCSI disk without a serial number the name of its place, and /dev/disk/by-id has it.
void LibvirtDomain::put_device_id(Node disk, Draft::Part& part) const {
    const Node address = disk.child("address");
    if (std::string_view(address.attribute("type").value()) != "drive") return;
    const auto number = [&](const char* of) { return address.attribute(of).as_uint(); };
    // An LSI controller's disks have no target.
    bool has_targets = true;
    for (const Node controller : domain_.child("devices").children("controller"))
        if (std::string_view(controller.attribute("type").value()) == "scsi" &&
            controller.attribute("index").as_uint() == number("controller"))
            has_targets = std::string_view(controller.attribute("model").value()) != "lsilogic";
    const std::string own = disk.child("alias").attribute("name").value();
    const auto place = fmt::format("scsi{}-{}-{}{}", number("controller"), number("bus"),
                                   has_targets ? fmt::format("{}-", number("target")) : "", number("unit"));
    Table device;
    device.set("device_id", {}, Value(fmt::format("drive-{}", own.starts_with("ua-") ? own : place), {}));
    part.merge_into("device", std::move(device));
}

void LibvirtDomain::disk_source(Node disk, Draft::Part& part, bool cdrom) {
    const Node source = see(disk, "source");
    take(source, "index");
    take(source, "startupPolicy");
    auto file = take(source, "file");
    if (!file) file = take(source, "dev");
    if (file) part.put("file", *file);
    const Node driver = see(disk, "driver");
    const auto format = take(driver, "type");
    take(driver, "name");
    if (cdrom || !file) return;
    const auto wanted = format.value_or("raw");
    if (wanted != format_of_suffix(*file)) part.put("format", wanted);
    if (auto chain = backing(disk)) {
        Table blockdev;
        blockdev.set("backing", {}, Value(std::move(*chain), {}));
        part.put("blockdev", Value(std::move(blockdev), {}));
    }
}

/// What the domain says of what the image lies over: qvm takes that from nobody else.
std::optional<Table> LibvirtDomain::backing(Node parent, int depth) {
    constexpr int deepest = 60;  // no chain is longer, and a TOML table cannot be much deeper
    if (depth > deepest) return std::nullopt;
    const Node store = see(parent, "backingStore");
    if (!store) return std::nullopt;
    take(store, "index");
    const auto type = take(store, "type");
    const auto format = take(see(store, "format"), "type");
    const Node source = see(store, "source");
    take(source, "index");
    auto file = take(source, "file");
    if (!file) file = take(source, "dev");
    if (!type || !file) return std::nullopt;
    Table node;
    node.set("driver", {}, Value(format.value_or("raw"), {}));
    Table protocol;
    protocol.set("driver", {}, Value(std::string(*type == "block" ? "host_device" : "file"), {}));
    protocol.set("filename", {}, Value(*file, {}));
    node.set("file", {}, Value(std::move(protocol), {}));
    if (auto next = backing(store, depth + 1)) node.set("backing", {}, Value(std::move(*next), {}));
    return node;
}

void LibvirtDomain::disk_driver(Node disk, Draft::Part& part) {
    const Node driver = see(disk, "driver");
    for (const auto& [libvirt, key] : driver_keys)
        if (auto value = take(driver, std::string(libvirt).c_str()); value && *value != "default")
            part.put(std::string(key), *value);
    if (const auto thread = take(driver, "iothread")) part.put("iothread", "iothread" + *thread);
    if (const auto queues = take_number(driver, "queues")) part.put("queues", *queues);
    Table device;
    for (const auto& [libvirt, key] : device_keys)
        if (auto value = take(driver, std::string(libvirt).c_str()))
            device.set(std::string(key), {}, typed_value(key, *value, ValueFor::Property));
    part.merge_into("device", std::move(device));
    if (auto zeroes = take(driver, "detect_zeroes")) {
        Table node;
        node.set("detect-zeroes", {}, Value(*zeroes, {}));
        part.merge_into("blockdev", std::move(node));
    }
}

void LibvirtDomain::disk_limits(Node disk, Draft::Part& part, const std::string& id) {
    const Node tune = see(disk, "iotune");
    if (!tune) return;
    const auto group = text_of(tune, "group_name");
    const auto name = unique_id(group.value_or(id + "-limit"));
    Table throttle;
    for (const auto& [libvirt, table, key] : limits) {
        const std::string element(libvirt);
        const auto text = text_of(tune, element.c_str());
        if (!text || *text == "0") continue;
        Value* inner = throttle.find(table);
        if (inner == nullptr) inner = &throttle.set(std::string(table), {}, Value(Table(), {}));
        inner->table()->set(std::string(key), {}, typed_value(key, *text, ValueFor::Qapi));
    }
    if (throttle.empty()) return;
    draft_.add({"throttle", name}).members = std::move(throttle);
    part.put("throttle", name);
}

bool LibvirtDomain::interface_source(Node nic, Draft::Part& part, const std::string& type) {
    const Node source = see(nic, "source");
    const auto bridge = [&](const std::string& name) { part.put("type", "bridge").put("bridge", name); };
    for (const char* attribute : {"portid", "portgroup"}) take(source, attribute);
    if (type == "bridge") {
        bridge(take(source, "bridge").value_or("br0"));
        take(source, "network");
    } else if (type == "network") {
        const auto network = take(source, "network").value_or("default");
        const auto known = take(source, "bridge");
        const bool usual = network == "default";
        bridge(known.value_or(usual ? "virbr0" : "virbr1"));
        const auto text =
            fmt::format("network '{}': libvirt has to keep its bridge up; {}", network,
                        known || usual ? "`virsh net-start` does, and type = \"user\" needs none"
                                       : "say its name, which `virsh net-info` tells");
        part.comments.push_back(text);
        warnings_.push_back(text);
    } else if (type == "user") {
        part.put("type", "user");
        if (const Node backend = nic.child("backend")) drop(backend);
    } else if (type == "direct") {
        part.put("type", "macvtap").put("parent", take(source, "dev").value_or("eth0"));
        if (std::string_view(source.attribute("mode").value()) == "bridge") take(source, "mode");
    } else if (type == "ethernet") {
        part.put("type", "tap");
    } else if (type == "vhostuser") {
        part.put("type", "vhost-user").put("socket", take(source, "path").value_or(""));
        if (take(source, "mode") == "server") part.put("mode", "server");
        take(source, "type");
        if (const Node again = source.child("reconnect")) drop(again);  // qvm's own matter
    } else {
        return false;
    }
    return true;
}

void LibvirtDomain::interface(Node nic) {
    const std::string type = nic.attribute("type").value();
    constexpr auto known =
        std::to_array<std::string_view>({"bridge", "network", "user", "direct", "ethernet", "vhostuser"});
    if (std::ranges::find(known, std::string_view(type)) == known.end()) {
        leave_out(nic, "a [netdev.X] and a [device.X] can say it");
        return;
    }
    take(nic, "type");
    auto& part = draft_.add({"net", unique_id(fmt::format("net{}", nics_++))});
    interface_source(nic, part, type);
    const Node target = see(nic, "target");
    if (auto device = take(target, "dev"); type == "ethernet") part.put("ifname", device.value_or("tap0"));
    take(target, "managed");
    if (auto mac = take(see(nic, "mac"), "address")) part.put("mac", *mac);
    if (const auto model = take(see(nic, "model"), "type"); model && *model != "virtio")
        part.put("model", *model);
    if (const auto mtu = take_number(see(nic, "mtu"), "size")) part.put("mtu", *mtu);
    if (take(see(nic, "link"), "state") == "down") part.put("link", false);
    const Node driver = see(nic, "driver");
    if (const auto queues = take_number(driver, "queues")) part.put("queues", *queues);
    if (std::string_view(driver.attribute("name").value()) == "vhost") take(driver, "name");
    put_boot(nic, part, "network");
    Array forwards;
    for (Node forward : nic.children("portForward")) {
        see(forward);
        const auto protocol = take(forward, "proto").value_or("tcp");
        const auto address = take(forward, "address");
        for (Node range : forward.children("range")) {
            see(range);
            const auto start = take(range, "start").value_or("");
            const auto end = take(range, "end");
            const auto ports = end ? start + '-' + *end : start;
            if (take_on(range, "exclude")) {
                warn(fmt::format("portForward range {} exclude='yes': a forward leads all of its range",
                                 ports));
                continue;
            }
            const auto to = take(range, "to").value_or(start);
            const auto from = fmt::format("{}:{}", address.value_or("0.0.0.0"), ports);
            forwards.emplace_back(
                Value::Data(fmt::format("{}{} -> {}", protocol == "udp" ? "udp:" : "", from, to)), Origin{});
        }
    }
    if (!forwards.empty()) part.put("forward", Value(std::move(forwards), {}));
}

}  // namespace qvm::config
