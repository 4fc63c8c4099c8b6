// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/rules_references.hpp"

#include <algorithm>
#include <array>

namespace qvm::config {
namespace {

struct Row {
    std::optional<Kind> in;  ///< nothing: in all of them
    std::string_view member;
    Kind kind;
    std::string_view ancestor;
};

// Source: qapi/{block-core,crypto,net,char,qom,sockets}.json, members documented as an ID.
constexpr std::array rows{
    Row{Kind::Blockdev, "throttle-group", Kind::Object, "throttle-group"},
    Row{Kind::Blockdev, "pr-manager", Kind::Object, "pr-manager"},
    Row{Kind::Blockdev, "key-secret", Kind::Object, "secret_common"},
    Row{Kind::Blockdev, "password-secret", Kind::Object, "secret_common"},
    Row{Kind::Blockdev, "proxy-password-secret", Kind::Object, "secret_common"},
    Row{Kind::Blockdev, "cookie-secret", Kind::Object, "secret_common"},
    Row{std::nullopt, "tls-creds", Kind::Object, "tls-creds"},
    Row{std::nullopt, "tls-authz", Kind::Object, "authz"},
    Row{Kind::Netdev, "chardev", Kind::Chardev, ""},
    Row{Kind::Netdev, "netdev", Kind::Netdev, ""},
    Row{Kind::Chardev, "chardev", Kind::Chardev, ""},
    Row{Kind::Object, "chardev", Kind::Chardev, ""},
    Row{Kind::Object, "indev", Kind::Chardev, ""},
    Row{Kind::Object, "outdev", Kind::Chardev, ""},
    Row{Kind::Object, "notify_dev", Kind::Chardev, ""},
    Row{Kind::Object, "primary_in", Kind::Chardev, ""},
    Row{Kind::Object, "secondary_in", Kind::Chardev, ""},
    Row{Kind::Object, "netdev", Kind::Netdev, ""},
    Row{Kind::Object, "iothread", Kind::Object, "iothread"},
    Row{Kind::Object, "canbus", Kind::Object, "can-bus"},
    Row{Kind::Object, "keyid", Kind::Object, "secret_common"},
    Row{Kind::Object, "passwordid", Kind::Object, "secret_common"},
    Row{Kind::Object, "prealloc-context", Kind::Object, "thread-context"},
};

/// link<T> types whose targets are parts of the machine, reached by a path rather than an id.
constexpr std::array machine_parts{"irq", "memory-region", "PCI", "i8042", "pit-common", "device"};

struct Wording {
    std::string_view start;
    Kind kind;
};
// hw/core/qdev-properties-system.c
constexpr std::array wordings{
    Wording{"Node name or ID of a block device", Kind::Blockdev},
    Wording{"ID of a netdev", Kind::Netdev},
    Wording{"ID of a chardev", Kind::Chardev},
    Wording{"ID of an audiodev", Kind::Audiodev},
};

}  // namespace

std::optional<Target> target_of_member(Kind kind, std::string_view name) {
    const auto row = std::ranges::find_if(
        rows, [&](const Row& r) { return r.member == name && (!r.in || *r.in == kind); });
    if (row == rows.end()) return std::nullopt;
    return Target{row->kind, std::string(row->ancestor)};
}

std::optional<Target> target_of_property(const qapi::Property& property, const qapi::Capabilities& qemu) {
    if (property.type.starts_with("link<") && property.type.ends_with('>')) {
        const std::string type = property.type.substr(5, property.type.size() - 6);
        if (std::ranges::find(machine_parts, type) != machine_parts.end()) return std::nullopt;
        return Target{qemu.is_a(type, "device") ? Kind::Device : Kind::Object, type};
    }
    for (const Wording& w : wordings)
        if (property.description.starts_with(w.start)) return Target{w.kind, {}};
    return std::nullopt;
}

}  // namespace qvm::config
