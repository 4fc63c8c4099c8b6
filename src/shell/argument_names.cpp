// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/argument_names.hpp"

#include <algorithm>
#include <array>

namespace qvm::shell {
namespace {

struct Rule {
    std::string_view command;  ///< its beginning
    std::string_view member;
    std::vector<NameKind> kinds;
};

/// The first that fits counts; an empty list says that it is a new name, or none of ours.
const std::vector<Rule>& rules() {
    using K = NameKind;
    static const std::vector<Rule> all{
        {"device_add", "driver", {K::DeviceType}},
        {"device_add", "id", {}},
        {"device_add", "bus", {K::Bus}},
        {"device_add", "drive", {K::Node, K::Disk}},
        {"device_add", "memdev", {K::Memdev}},
        {"device_add", "rng", {K::Object}},
        {"device_add", "failover_pair_id", {K::Device}},
        {"device_del", "id", {K::Device}},
        {"device-list-properties", "typename", {K::DeviceType}},
        {"qom-list-properties", "typename", {K::DeviceType}},
        {"device-sync-config", "id", {K::Device}},
        {"object-del", "id", {K::Object}},
        {"object-add", "qom-type", {K::ObjectType}},
        {"object-add", "id", {}},
        {"netdev_del", "id", {K::Netdev}},
        {"netdev_add", "id", {}},
        {"set_link", "name", {K::Netdev, K::Device}},
        {"query-rx-filter", "name", {K::Device}},
        {"announce-self", "interfaces", {K::Device}},
        {"chardev-add", "id", {}},
        {"chardev-", "id", {K::Chardev}},
        {"ringbuf-", "device", {K::Chardev}},
        {"job-", "id", {K::Job}},
        {"block-job-", "id", {K::Job}},
        {"block-job-", "device", {K::Job}},
        {"blockdev-open-tray", "id", {K::Device}},
        {"blockdev-close-tray", "id", {K::Device}},
        {"blockdev-change-medium", "id", {K::Device}},
        {"blockdev-insert-medium", "id", {K::Device}},
        {"blockdev-remove-medium", "id", {K::Device}},
        {"block_set_io_throttle", "id", {K::Device}},
        {"block-latency-histogram-set", "id", {K::Device}},
        {"eject", "id", {K::Device}},
        {"snapshot-", "tag", {K::Snapshot}},
        {"snapshot-", "vmstate", {K::Node}},
        {"snapshot-", "devices", {K::Node}},
        {"blockdev-snapshot-delete-internal-sync", "name", {K::Snapshot}},
        {"blockdev-snapshot", "snapshot-node-name", {}},
        {"nbd-server-add", "device", {K::Node, K::Disk}},
        {"x-blockdev-change", "parent", {K::Node}},
        {"block", "device", {K::Node, K::Disk}},
        {"drive-", "device", {K::Node, K::Disk}},
        {"eject", "device", {K::Disk}},
        {"change-backing-file", "device", {K::Node, K::Disk}},
        {"change-backing-file", "image-node-name", {K::Node}},
        {"blockdev-mirror", "target", {K::Node}},
        {"blockdev-backup", "target", {K::Node}},
        {"qom-", "path", {K::QomPath}},
        {"qom-", "property", {K::QomProperty}},
        {"", "qom-path", {K::QomPath}},
        {"", "netdev", {K::Netdev}},
        {"", "chardev", {K::Chardev}},
        {"", "iothread", {K::Object}},
        {"", "tls-creds", {K::Object}},
        {"", "secret", {K::Object}},
        {"", "key-secret", {K::Object}},
        {"", "throttle-group", {K::Object}},
        {"", "node-name", {K::Node}},
        {"", "node", {K::Node}},
        {"", "base-node", {K::Node}},
        {"", "top-node", {K::Node}},
        {"", "overlay", {K::Node}},
        {"", "replaces", {K::Node}},
        {"", "job-id", {}},
    };
    return all;
}

constexpr std::array<std::string_view, 9> file_members{
    "filename", "snapshot-file", "logfile", "log-file", "out", "backing-file", "mem-path", "dir", "keyfile"};

/// A reference to a block node, or the node itself.
bool is_node_reference(const qapi::Type* type) {
    const auto* alternate = type == nullptr ? nullptr : std::get_if<qapi::Alternate>(&type->is);
    if (alternate == nullptr) return false;
    const auto is_text = [](const qapi::Type* choice) {
        const auto* builtin = std::get_if<qapi::Builtin>(&choice->is);
        return builtin != nullptr && *builtin == qapi::Builtin::String;
    };
    const auto is_node = [](const qapi::Type* choice) {
        const auto* object = std::get_if<qapi::Object>(&choice->is);
        return object != nullptr && object->member("driver") != nullptr;
    };
    return std::ranges::any_of(alternate->choices, is_text) &&
           std::ranges::any_of(alternate->choices, is_node);
}

}  // namespace

Named what_is_named(std::string_view command, std::string_view member, std::size_t depth,
                    const qapi::Type* type) {
    if (is_node_reference(type)) return {{NameKind::Node}};
    if (command == "blockdev-add" && member == "node-name") return {};
    for (const Rule& rule : rules())
        if (command.starts_with(rule.command) && rule.member == member) return {rule.kinds};
    if (std::ranges::find(file_members, member) != file_members.end()) return {{}, true};
    if (command == "drive-mirror" || command == "drive-backup") return {{}, member == "target" && depth == 1};
    return {};
}

}  // namespace qvm::shell
