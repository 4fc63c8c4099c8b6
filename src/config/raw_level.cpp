// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/raw_level.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/sugar_cloud_init.hpp"
#include "config/sugar_secret.hpp"

namespace qvm::config {
namespace {

constexpr std::array kinds{Kind::Object, Kind::Chardev, Kind::Blockdev,
                           Kind::Netdev, Kind::Device,  Kind::Host};
constexpr std::size_t longest_node_name = 31;  // QEMU block.c: node_name[32]

struct HostKind {
    std::string_view name;
    std::array<std::string_view, 7> keys;  ///< besides kind
    std::array<std::string_view, 2> needed;
};
constexpr std::array<HostKind, 6> host_kinds{{
    {"file", {"path", "access"}, {"path"}},
    {"socket", {"path", "mode", "runtime"}, {}},
    {"tap", {"ifname"}, {"ifname"}},
    {"process", {"profile", "command", "path"}, {"profile", "command"}},
    {"secret", {"path", "env", "credential"}, {}},
    {"seed",
     {"user", "ssh-keys", "hostname", "user-data", "user-data-text", "network-config", "instance-id"},
     {"instance-id"}},
}};

/// net/core/dev.c: dev_valid_name().
bool is_interface_name(std::string_view name) {
    constexpr std::size_t longest = 15;  // IFNAMSIZ, with its NUL
    return !name.empty() && name.size() <= longest && name != "." && name != ".." &&
           name.find_first_of("/: \t\n\v\f\r") == std::string_view::npos;
}

void check_host(Lowering& lowering, const Item& item) {
    const auto name = item.text("kind");
    if (!item.says("kind"))
        lowering.report(DiagnosticKind::Missing, item.origin, fmt::format("{} has no kind", item.where),
                        {"say kind = \"file\", \"socket\", \"tap\", \"process\", \"secret\" or \"seed\""});
    const auto kind = std::ranges::find(host_kinds, name.value_or(""), &HostKind::name);
    if (kind == host_kinds.end()) return;
    for (const auto& entry : item.table->entries()) {
        if (entry.key == "kind" || std::ranges::find(kind->keys, entry.key) != kind->keys.end()) continue;
        lowering.report(DiagnosticKind::UnknownKey, entry.key_origin,
                        fmt::format("{} is a {}, which has no key '{}'", item.where, kind->name, entry.key));
    }
    for (const auto key : kind->needed)
        if (!key.empty() && !item.says(key))
            lowering.report(DiagnosticKind::Missing, item.origin,
                            fmt::format("{} has no {}", item.where, key));
    if (kind->name == "socket" && item.says("path") == item.says("runtime"))
        lowering.report(item.says("path") ? DiagnosticKind::Conflict : DiagnosticKind::Missing, item.origin,
                        fmt::format("{} needs one of path and runtime", item.where),
                        {"path = \"..\" is a path of this host; runtime = \"..\" a file name in the VM's "
                         "runtime directory"});
    if (kind->name == "seed") check_seed(lowering, item);
    if (kind->name == "secret") check_secret(lowering, item, "path");
    if (kind->name == "process" && item.says("path") && item.text("profile") == "passt")
        lowering.report(DiagnosticKind::Conflict, item.origin_of("path"),
                        fmt::format("{} is a passt, which writes in no directory", item.where));
    const auto ifname = item.text("ifname");
    if (kind->name == "tap" && ifname && !is_interface_name(*ifname))
        lowering.report(DiagnosticKind::BadValue, item.origin_of("ifname"),
                        fmt::format("'{}' cannot be the name of an interface", *ifname),
                        {"the kernel takes up to 15 characters, without '/', ':' and blanks"});
    const auto runtime = item.text("runtime");
    if (runtime && (runtime->empty() || runtime->find('/') != std::string::npos || runtime->starts_with('.')))
        lowering.report(DiagnosticKind::BadValue, item.origin_of("runtime"),
                        fmt::format("'{}' is not a plain file name", *runtime));
}

Value host_properties(const Lowering& lowering, const Item& item) {
    if (item.text("kind") == "seed") return {seed_properties(lowering, item), item.origin};
    Table table = *item.table;
    if (Value* path = table.find("path"); path != nullptr && path->is_string())
        path->data = lowering.absolute(*path).string();
    return {std::move(table), item.origin};
}

void lower_named(Lowering& lowering, std::string_view table, std::vector<NamedTable>& into) {
    const Value* all = lowering.root().find(table);
    if (all == nullptr || !all->is_table()) return;
    for (const auto& entry : all->table()->entries()) {
        if (const Table* one = entry.value.table())
            into.push_back({entry.key, *one, {}, entry.key_origin, {}});
        if (const Array* several = entry.value.array())
            for (const auto& item : *several) into.push_back({entry.key, *item.table(), {}, item.origin, {}});
    }
}

void lower_links(Lowering& lowering) {
    const Value* down = lowering.root().find("link-down");
    if (down == nullptr || down->array() == nullptr) return;
    for (const Value& id : *down->array()) lowering.vm().links_down.push_back({*id.string(), id.origin});
}

}  // namespace

void lower_raw(Lowering& lowering) {
    std::vector<std::pair<Kind, Item>> items;
    for (const Kind kind : kinds)
        for (auto& item : lowering.named(table_name(kind))) items.emplace_back(kind, std::move(item));
    std::ranges::stable_sort(items,
                             [](const auto& a, const auto& b) { return a.second.origin < b.second.origin; });
    for (const auto& [kind, item] : items) {
        if (kind == Kind::Host) check_host(lowering, item);
        if (kind == Kind::Blockdev && item.id.size() > longest_node_name)
            lowering.report(DiagnosticKind::BadValue, item.origin,
                            fmt::format("the node name '{}' is too long", item.id),
                            {fmt::format("QEMU takes {} characters", longest_node_name)});
        Value properties =
            kind == Kind::Host ? host_properties(lowering, item) : Value(*item.table, item.origin);
        if (kind != Kind::Host) lowering.drop_own_id(kind, item.id, item.where, *properties.table());
        lowering.add({{kind, item.id}, std::move(properties), {}, {}, {}, item.where, item.origin});
    }
    lower_named(lowering, "global", lowering.vm().globals);
    lower_named(lowering, "option", lowering.vm().options);
    lower_links(lowering);
}

}  // namespace qvm::config
