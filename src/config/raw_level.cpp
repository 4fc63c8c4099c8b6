// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/raw_level.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "base/tcp_address.hpp"
#include "base/text.hpp"
#include "config/balloon.hpp"
#include "config/sugar_cloud_init.hpp"
#include "config/sugar_host_device.hpp"
#include "config/sugar_secret.hpp"
#include "config/sugar_share.hpp"
#include "config/sugar_tap.hpp"

namespace qvm::config {
namespace {

constexpr std::array kinds{Kind::Object,   Kind::Chardev, Kind::Blockdev, Kind::Netdev,
                           Kind::Audiodev, Kind::Device,  Kind::Host};
constexpr std::size_t longest_node_name = 31;  // QEMU block.c: node_name[32]

struct HostKind {
    std::string_view name;
    std::array<std::string_view, 8> keys;  ///< besides kind
    std::array<std::string_view, 2> needed;
};
constexpr std::array<HostKind, 7> host_kinds{{
    {"file", {"path", "access", "count"}, {"path"}},
    {"socket", {"path", "mode", "runtime", "address", "protocol"}, {}},
    {"tap", {"ifname", "bridge", "parent", "mac", "queues", "mtu"}, {}},
    {"process",
     {"profile", "command", "path", "access", "loader", "library-path", "uid-map", "gid-map"},
     {"profile", "command"}},
    {"secret", {"path", "env", "credential"}, {}},
    {"seed",
     {"user", "ssh-keys", "hostname", "user-data", "user-data-text", "network-config", "instance-id"},
     {"instance-id"}},
    {"usb", {"device"}, {"device"}},
}};

void check_socket(Lowering& lowering, const Item& item) {
    const auto places = std::to_array<std::string_view>({"path", "runtime", "address"});
    const auto said = std::ranges::count_if(places, [&](auto key) { return item.says(key); });
    if (said != 1)
        lowering.report(said == 0 ? DiagnosticKind::Missing : DiagnosticKind::Conflict, item.origin,
                        fmt::format("{} needs one of path, runtime and address", item.where),
                        {"path = \"..\" is a path of this host; runtime = \"..\" a file name in the VM's "
                         "runtime directory; address = \"127.0.0.1:5901\" a port"});
    const auto address = item.text("address");
    if (address && !parse_tcp_address(*address))
        lowering.report(DiagnosticKind::BadValue, item.origin_of("address"),
                        fmt::format("'{}' is no address and port", *address),
                        {"for example \"127.0.0.1:5901\", or \"[::1]:5901\""});
    if (address && item.text("mode") == "connect")
        lowering.report(DiagnosticKind::Conflict, item.origin_of("mode"),
                        fmt::format("{}: qvm listens on an address, and connects to none", item.where),
                        {"leave mode out, or name a Unix socket by its path"});
    if (item.says("protocol") && item.text("mode") == "connect")
        lowering.report(DiagnosticKind::Conflict, item.origin_of("protocol"),
                        fmt::format("{}: who connects to it is handed to QEMU, and nobody does", item.where),
                        {"protocol goes with a socket that listens: leave mode out"});
}

void check_host(Lowering& lowering, const Item& item) {
    const auto name = item.text("kind");
    if (!item.says("kind"))
        lowering.report(
            DiagnosticKind::Missing, item.origin, fmt::format("{} has no kind", item.where),
            {"say kind = \"file\", \"socket\", \"tap\", \"process\", \"secret\", \"seed\" or \"usb\""});
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
    if (kind->name == "socket") check_socket(lowering, item);
    if (kind->name == "seed") check_seed(lowering, item);
    if (kind->name == "secret") check_secret(lowering, item, "path");
    if (kind->name == "process" && item.says("path") && item.text("profile") == "passt")
        lowering.report(DiagnosticKind::Conflict, item.origin_of("path"),
                        fmt::format("{} is a passt, which writes in no directory", item.where));
    if (kind->name == "process") check_virtiofsd(lowering, item);
    if (kind->name == "tap") check_tap(lowering, item);
    if (const Value* device = kind->name == "usb" ? item.value("device") : nullptr)
        check_usb_name(lowering, *device, item.where + ".device");
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
    if (Value* loader = table.find("loader"); loader != nullptr && loader->is_string())
        loader->data = lowering.absolute(*loader).string();
    if (Value* directories = table.find("library-path"))
        directories->data = lowering.absolute_all(*directories);
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

void lower_commands(Lowering& lowering) {
    const Value* all = lowering.root().find("qmp");
    if (all == nullptr || all->array() == nullptr) return;
    for (const auto& one : *all->array()) {
        const Item item{"qmp", "qmp", one.table(), one.origin};
        StartCommand command;
        command.made_by = item.where;
        command.origin = item.origin;
        item.choose("at", command.at);
        if (const auto execute = item.text("execute"))
            command.execute = {*execute, item.origin_of("execute")};
        else if (!item.says("execute"))
            lowering.report(DiagnosticKind::Missing, item.origin, "this [[qmp]] has no execute",
                            {"say execute = \"COMMAND\", for example \"balloon\""});
        const auto& commands = lowering.vm().commands;
        if (command.execute.value == balloon_command &&
            std::ranges::find(commands, "balloon", &StartCommand::made_by) != commands.end())
            lowering.report(DiagnosticKind::Conflict, command.execute.origin,
                            "this [[qmp]] and balloon.size say the same", {"leave one of the two out"});
        if (const Table* arguments = item.inner("arguments")) command.arguments = *arguments;
        lowering.vm().commands.push_back(std::move(command));
    }
}

void lower_argv(Lowering& lowering) {
    const Value* words = lowering.root().find("argv");
    if (words == nullptr || words->array() == nullptr) return;
    for (const auto& word : *words->array())
        lowering.vm().argv.push_back({*word.string(), word.origin.known() ? word.origin : words->origin});
    if (!words->array()->empty())
        lowering.report(DiagnosticKind::Unchecked, words->origin,
                        "argv goes to QEMU as it is: nobody checks it, and it reaches no running VM",
                        {"paths of this host exist for QEMU only with jail.mode = \"off\", or named in "
                         "jail.binds-ro",
                         "[option.\"NAME\"], [device.ID] and the like are checked"});
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
    lower_commands(lowering);
    lower_argv(lowering);
    lower_links(lowering);
}

}  // namespace qvm::config
