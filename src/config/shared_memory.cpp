// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/shared_memory.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "config/rules_buses.hpp"

namespace qvm::config {
namespace {

bool is_on(const Table& item) {
    const Value* enabled = item.find("enabled");
    return enabled == nullptr || enabled->boolean() == nullptr || *enabled->boolean();
}

bool is_vhost_user_net(const Table& net) {
    const Value* type = net.find("type");
    const Value* over = net.find("netdev");
    if (over != nullptr && over->table() != nullptr && over->table()->find("type") != nullptr) return false;
    return type != nullptr && type->string() != nullptr && *type->string() == "vhost-user";
}

/// Where the first sugar that is served by vhost-user says so.
std::optional<Origin> find_vhost_user(const Table& root) {
    for (const char* name : {"net", "share"}) {
        const Value* all = root.find(name);
        if (all == nullptr || all->table() == nullptr) continue;
        for (const Entry& entry : all->table()->entries()) {
            const Table* item = entry.value.table();
            if (item == nullptr || !is_on(*item)) continue;
            if (name == std::string_view("share")) return entry.key_origin;
            if (is_vhost_user_net(*item)) return item->find("type")->origin;
        }
    }
    return std::nullopt;
}

bool shares(const Vm& vm, std::string_view object_id) {
    const Resource* object = vm.find({Kind::Object, std::string(object_id)});
    if (object == nullptr) return false;
    const Value* said = object->properties.table()->find("share");
    // A memfd's is shared unless it says otherwise.
    if (said == nullptr || said->boolean() == nullptr) return object->driver() == "memory-backend-memfd";
    return *said->boolean();
}

/// The objects that are the memory of the NUMA nodes.
std::vector<std::string> memory_of_nodes(const Vm& vm) {
    std::vector<std::string> objects;
    for (const NamedTable& option : vm.options) {
        const Value* object = option.name == "numa" ? option.properties.find("memdev") : nullptr;
        if (object == nullptr) continue;
        if (object->string() != nullptr) objects.push_back(*object->string());
        if (object->array() == nullptr) continue;
        for (const Value& one : *object->array())
            if (one.string() != nullptr) objects.push_back(*one.string());
    }
    return objects;
}

const Table* member(const Table* table, std::string_view name) {
    const Value* value = table == nullptr ? nullptr : table->find(name);
    return value == nullptr ? nullptr : value->table();
}

/// Null when it is no socket.
const Table* data_of_socket(const Resource& chardev) {
    if (chardev.driver() != "socket") return nullptr;
    return member(member(chardev.properties.table(), "backend"), "data");
}

/// As QEMU takes a flag that is on by default.
bool is_on(const Table& data, std::string_view key) {
    const Value* said = data.find(key);
    return said == nullptr || said->boolean() == nullptr || *said->boolean();
}

void check_chardev(const Resource& user, const Resource& chardev, Diagnostics& diagnostics) {
    const auto report = [&](std::string message, std::string advice) {
        diagnostics.add(
            {DiagnosticKind::Conflict, chardev.origin, std::move(message), {}, {std::move(advice)}});
    };
    const Table* data = data_of_socket(chardev);
    if (data == nullptr) return;
    const Table* address = member(data, "addr");
    const Value* type = address == nullptr ? nullptr : address->find("type");
    const bool by_path = type == nullptr || type->string() == nullptr || *type->string() == "unix";
    if (!by_path && user.id.kind == Kind::Netdev)
        report(fmt::format("{} is of vhost-user, and {} is no Unix socket with a path", user.id.to_string(),
                           chardev.id.to_string()),
               "QEMU wants addr = { type = \"unix\", data = { path = \"..\" } } for a netdev, and no socket "
               "that comes as a descriptor");
    if (!is_on(*data, "server")) return;
    if (by_path && user.id.kind == Kind::Netdev) {
        if (is_on(*data, "wait"))
            report(fmt::format("{} is of vhost-user, and {} is not to wait for a connection by itself",
                               user.id.to_string(), chardev.id.to_string()),
                   "say wait = false: the netdev waits for it");
    } else {
        report(fmt::format("{} is of vhost-user, and {} waits to be connected to", user.id.to_string(),
                           chardev.id.to_string()),
               "QEMU would do nothing else until somebody comes: say server = false, and have the other "
               "process listen");
    }
}

}  // namespace

void share_memory_where_needed(Table& root) {
    const auto asks = find_vhost_user(root);
    if (!asks) return;
    const Origin& origin = *asks;
    const Value* machine = root.find("machine");
    if (machine != nullptr && machine->table() != nullptr &&
        machine->table()->find("memory-backend") != nullptr)
        return;
    if (root.find("memory") == nullptr) root.set("memory", origin, Value(Table(), origin));
    Table* memory = root.find("memory")->table();
    if (memory == nullptr || memory->find("share") != nullptr) return;
    memory->set("share", origin, Value(true, origin));
}

bool listens(const Resource& chardev) {
    const Table* data = data_of_socket(chardev);
    return data != nullptr && is_on(*data, "server");
}

std::string vhost_user_chardev(const Resource& resource) {
    const std::string driver = resource.driver();
    const bool is = (resource.id.kind == Kind::Netdev && driver == "vhost-user") ||
                    (resource.id.kind == Kind::Device && driver.starts_with("vhost-user-")) ||
                    (resource.id.kind == Kind::Object && driver == "cryptodev-vhost-user");
    const std::string* chardev = is ? text_at(resource, "chardev") : nullptr;
    return chardev == nullptr ? std::string() : *chardev;
}

bool waits_for_peer(const Resource& netdev, const Vm& vm) {
    const auto chardev = netdev.id.kind == Kind::Netdev ? vhost_user_chardev(netdev) : std::string();
    const Resource* said = chardev.empty() ? nullptr : vm.find({Kind::Chardev, chardev});
    return said != nullptr && listens(*said);
}

bool shares_memory(const Vm& vm) {
    if (const Value* object = vm.machine.properties.find("memory-backend"))
        return object->string() != nullptr && shares(vm, *object->string());
    const auto nodes = memory_of_nodes(vm);
    return !nodes.empty() && std::ranges::all_of(nodes, [&](const auto& id) { return shares(vm, id); });
}

void check_vhost_user(const Vm& vm, Diagnostics& diagnostics) {
    const bool shared = shares_memory(vm);
    for (const Resource& resource : vm.resources) {
        const auto chardev = vhost_user_chardev(resource);
        if (chardev.empty()) continue;
        if (!shared)
            diagnostics.add(
                {DiagnosticKind::Conflict,
                 resource.origin,
                 fmt::format("{} is served by another process in the guest's memory, which is not "
                             "shared with any",
                             resource.id.to_string()),
                 {},
                 {"say memory.share = true"}});
        const Resource* found = vm.find({Kind::Chardev, chardev});
        if (found != nullptr) check_chardev(resource, *found, diagnostics);
    }
}

}  // namespace qvm::config
