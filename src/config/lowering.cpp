// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/lowering.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/vocabulary.hpp"
#include "config/vocabulary_check.hpp"

namespace qvm::config {
namespace {

bool switched_off(const Table& table) {
    const Value* enabled = table.find("enabled");
    return enabled != nullptr && enabled->boolean() != nullptr && !*enabled->boolean();
}

/// Of a node on a file of its own; empty without one.
std::string own_filename(const Table& node) {
    const Value* file = node.find("file");
    const Value* name =
        file == nullptr || file->table() == nullptr ? nullptr : file->table()->find("filename");
    return name == nullptr || name->string() == nullptr ? std::string() : *name->string();
}

}  // namespace

Members& Members::put(std::string key, Value::Data data, Origin origin) {
    Origin key_origin = origin;
    table_.set(std::move(key), std::move(key_origin), Value(std::move(data), std::move(origin)));
    return *this;
}

Members& Members::copy(std::string key, const Table& from, std::string_view from_key) {
    const Entry* entry = from.entry(from_key);
    if (entry != nullptr && !std::holds_alternative<std::monostate>(entry->value.data))
        table_.set(std::move(key), entry->key_origin, entry->value);
    return *this;
}

const Value* Item::value(std::string_view key) const {
    const Value* found = table->find(key);
    return found == nullptr || std::holds_alternative<std::monostate>(found->data) ? nullptr : found;
}

std::optional<std::string> Item::text(std::string_view key) const {
    const Value* found = value(key);
    return found == nullptr || found->string() == nullptr ? std::nullopt : std::optional(*found->string());
}

std::optional<std::int64_t> Item::number(std::string_view key) const {
    const Value* found = value(key);
    return found == nullptr || found->integer() == nullptr ? std::nullopt : std::optional(*found->integer());
}

std::optional<bool> Item::flag(std::string_view key) const {
    const Value* found = value(key);
    return found == nullptr || found->boolean() == nullptr ? std::nullopt : std::optional(*found->boolean());
}

const Table* Item::inner(std::string_view key) const {
    const Value* found = value(key);
    return found == nullptr ? nullptr : found->table();
}

Origin Item::origin_of(std::string_view key) const {
    const Value* found = table->find(key);
    return found == nullptr ? origin : found->origin;
}

Lowering::Lowering(const Document& document, Vm& vm, Diagnostics& diagnostics)
    : document_(document), vm_(vm), diagnostics_(diagnostics) {
    if (const Table* written = document.root.table()) root_ = checked_copy(*written, diagnostics);
    const Value* defaults = root_.find("defaults");
    if (defaults != nullptr && defaults->boolean() != nullptr) defaults_ = *defaults->boolean();
}

std::optional<Item> Lowering::single(std::string_view name) const {
    const Entry* entry = root_.entry(name);
    if (entry == nullptr || !entry->value.is_table() || switched_off(*entry->value.table()))
        return std::nullopt;
    return Item{entry->key, entry->key, entry->value.table(), entry->key_origin};
}

std::vector<Item> Lowering::named(std::string_view name) const {
    std::vector<Item> items;
    const Value* all = root_.find(name);
    if (all == nullptr || !all->is_table()) return items;
    for (const auto& entry : all->table()->entries()) {
        const Table* table = entry.value.table();
        if (table != nullptr && !switched_off(*table))
            items.push_back({entry.key, fmt::format("{}.{}", name, entry.key), table, entry.key_origin});
    }
    return items;
}

bool Lowering::has_raw(Kind kind, std::string_view id) const {
    const Value* all = root_.find(table_name(kind));
    return all != nullptr && all->is_table() && all->table()->find(id) != nullptr;
}

std::filesystem::path Lowering::absolute(const Value& path) const {
    return absolute_path(document_, path);
}

std::filesystem::path Lowering::kept(const std::string& file) const {
    return document_.state / vm_.name.value / file;
}

bool Lowering::is_microvm() const {
    return vm_.machine.type.value.starts_with("microvm");
}

bool Lowering::is_q35() const {
    const std::string& type = vm_.machine.type.value;
    return type == "q35" || type.starts_with("pc-q35");
}

bool Lowering::is_i440fx() const {
    const std::string& type = vm_.machine.type.value;
    return type == "pc" || type.starts_with("pc-i440fx");
}

std::string Lowering::virtio(std::string_view type) const {
    return fmt::format("virtio-{}-{}", type, is_microvm() ? "device" : "pci");
}

void Lowering::add(Kind kind, std::string id, Members members, const Item& made_by) {
    add({{kind, std::move(id)},
         Value(std::move(members.table()), made_by.origin),
         {},
         {},
         {},
         made_by.where,
         made_by.origin});
}

void Lowering::add(Kind kind, std::string id, Members members, const Item& made_by,
                   std::string_view override_key) {
    if (const Table* over = made_by.inner(override_key)) {
        Table rest = *over;
        drop_own_id(kind, id, fmt::format("{}.{}", made_by.where, override_key), rest);
        merge(members.table(), rest);
    }
    add(kind, std::move(id), std::move(members), made_by);
}

namespace {

/// chardev-add wraps the address in `data` (QAPI: SocketAddressLegacy), netdev_add does not.
Table socket_address(const char* type, Members place, const Origin& origin) {
    Members address(origin);
    address.put("type", std::string(type)).put("data", std::move(place.table()));
    return std::move(address.table());
}

Members by_path(const Value& path, const Item& made_by) {
    Members place(made_by.origin);
    place.put("path", path.data, path.origin);
    Members data(made_by.origin);
    data.put("addr", socket_address("unix", std::move(place), made_by.origin));
    return data;
}

}  // namespace

void Lowering::add_listener(const std::string& id, std::string_view socket, const Item& made_by,
                            const Table& more) {
    Members host(made_by.origin);
    host.put("kind", std::string("socket")).put("mode", std::string("listen"));
    host.put("runtime", std::string(socket));
    add(Kind::Host, id, std::move(host), made_by);

    Members descriptor(made_by.origin);
    descriptor.put("str", '@' + id);
    Members data(made_by.origin);
    data.put("addr", socket_address("fd", std::move(descriptor), made_by.origin));
    data.put("server", true).put("wait", false);
    merge(data.table(), more);
    add_socket(id, std::move(data), made_by);
}

Array Lowering::absolute_all(const Value& paths) const {
    Array all;
    const auto add_one = [&](const Value& path) {
        if (path.is_string()) all.emplace_back(Value::Data(absolute(path).string()), path.origin);
    };
    add_one(paths);
    if (paths.array() != nullptr)
        for (const auto& path : *paths.array()) add_one(path);
    return all;
}

void Lowering::add_listener(const std::string& id, const Value& path, const Item& made_by) {
    auto data = by_path(path, made_by);
    data.put("server", true, made_by.origin_of("mode")).put("wait", false);
    add_socket(id, std::move(data), made_by);
}

void Lowering::add_connection(const std::string& id, const Value& path, const Item& made_by) {
    auto data = by_path(path, made_by);
    data.put("server", false);
    add_socket(id, std::move(data), made_by);
}

void Lowering::add_connection(const std::string& id, const std::string& host, const Item& made_by) {
    Members descriptor(made_by.origin);
    descriptor.put("str", '@' + host);
    Members data(made_by.origin);
    data.put("addr", socket_address("fd", std::move(descriptor), made_by.origin)).put("server", false);
    add_socket(id, std::move(data), made_by);
}

void Lowering::add_socket(const std::string& id, Members data, const Item& made_by) {
    Members backend(made_by.origin);
    backend.put("type", std::string("socket")).put("data", std::move(data.table()));
    Members chardev(made_by.origin);
    chardev.put("backend", std::move(backend.table()));
    add(Kind::Chardev, id, std::move(chardev), made_by);
}

std::optional<std::uint64_t> Lowering::disk_size(const Value& said, const Resource& node) {
    constexpr std::uint64_t sector = 512;
    std::optional<std::uint64_t> bytes;
    std::string why = "a size is a number of bytes, or \"20G\"";
    if (said.integer() != nullptr && *said.integer() > 0) bytes = static_cast<std::uint64_t>(*said.integer());
    if (said.string() != nullptr) {
        const auto parsed = parse_size(*said.string());
        if (const auto* size = std::get_if<std::uint64_t>(&parsed)) bytes = *size;
        if (const auto* wrong = std::get_if<std::string>(&parsed)) why = *wrong;
    }
    if (bytes && (*bytes == 0 || *bytes % sector != 0 || !std::in_range<std::int64_t>(*bytes))) {
        bytes.reset();
        why = "the size of a disk is a multiple of 512 bytes";
    }
    if (!bytes) report(DiagnosticKind::BadSize, said.origin, why, {fmt::format("in {}", node.made_by)});
    return bytes;
}

void Lowering::take_growth(Resource& node) {
    constexpr const char* member = "grow-to";
    Table& table = *node.properties.table();
    const Value* said = table.find(member);
    if (said == nullptr) return;
    if (const auto bytes = disk_size(*said, node)) node.grow_to = {*bytes, said->origin};
    table.erase(member);
}

void Lowering::take_creation(Resource& node) {
    Table& table = *node.properties.table();
    if (const Value* ephemeral = table.find("ephemeral")) {
        if (ephemeral->boolean() == nullptr)
            report(DiagnosticKind::BadType, ephemeral->origin, "ephemeral is true or false",
                   {fmt::format("in {}", node.made_by)});
        else
            node.ephemeral = *ephemeral->boolean();
        if (node.ephemeral && table.find("create") == nullptr)
            report(DiagnosticKind::Missing, ephemeral->origin,
                   fmt::format("{} does not say what is made at each start", node.made_by),
                   {"say create = \"20G\", or create = true for as much as its backing has"});
        table.erase("ephemeral");
    }
    const Value* said = table.find("create");
    if (said == nullptr) return;
    const std::string format = node.driver();
    const std::string file = own_filename(table);
    const bool as_backing = said->boolean() != nullptr && *said->boolean();
    const Value* backing = table.find("backing");
    if (format != "raw" && format != "qcow2" && format != "luks")
        report(DiagnosticKind::Conflict, said->origin,
               fmt::format("{}: qvm makes images of the formats raw, qcow2 and luks, not {}", node.made_by,
                           format),
               {fmt::format("make it yourself: `qemu-img create -f {} FILE SIZE`", format)});
    else if (file.empty() || file.starts_with('@'))
        report(DiagnosticKind::Conflict, said->origin,
               fmt::format("{} has no file that could be made", node.made_by),
               {"create goes with file = { driver = \"file\", filename = \"PATH\" }"});
    else if (as_backing &&
             (backing == nullptr || (backing->table() == nullptr && backing->string() == nullptr)))
        report(DiagnosticKind::Conflict, said->origin,
               fmt::format("{}: create = true is as large as its backing, and it has none", node.made_by),
               {"say create = \"20G\""});
    else if (as_backing)
        node.create = {0, said->origin};
    else if (said->boolean() == nullptr) {
        if (const auto bytes = disk_size(*said, node)) node.create = {*bytes, said->origin};
    }
    table.erase("create");
}

void Lowering::take_template(Resource& node) {
    constexpr const char* member = "copy-of";
    Table& table = *node.properties.table();
    const Value* said = table.find(member);
    if (said == nullptr) return;
    if (said->string() == nullptr || said->string()->empty())
        report(DiagnosticKind::BadType, said->origin, "copy-of is the path of a file",
               {fmt::format("in {}", node.made_by)});
    else if (own_filename(table).empty())
        report(DiagnosticKind::Conflict, said->origin,
               fmt::format("{} has no file that could be made as a copy", node.made_by),
               {"copy-of goes with file = { driver = \"file\", filename = \"PATH\" }"});
    else
        node.copy_of = {absolute(*said), said->origin};
    table.erase(member);
}

void Lowering::add(Resource resource) {
    if (resource.id.kind == Kind::Blockdev) {
        take_growth(resource);
        take_creation(resource);
        take_template(resource);
    }
    const auto [place, fresh] = taken_.try_emplace(resource.id, resource.made_by, resource.origin);
    if (fresh) {
        vm_.resources.push_back(std::move(resource));
        return;
    }
    // Sugar is lowered first, wherever it stands: the later one in the text is at fault.
    auto early = place->second;
    std::pair late{resource.made_by, resource.origin};
    if (late.second < early.second) std::swap(early, late);
    const auto& [first, where] = early;
    report(DiagnosticKind::DuplicateId, late.second,
           fmt::format("the {} id '{}' is used twice: by {} and by {}", table_name(resource.id.kind),
                       resource.id.id, first, late.first),
           {where.known() ? fmt::format("first used by {} at {}", first, where.to_string())
                          : fmt::format("{} is made by default; `defaults = false` leaves it out", first)});
}

void Lowering::drop_own_id(Kind kind, const std::string& id, const std::string& where, Table& table) {
    const std::string_view member = kind == Kind::Blockdev ? "node-name" : "id";
    const Entry* entry = table.entry(member);
    if (entry == nullptr) return;
    report(DiagnosticKind::UnknownKey, entry->key_origin, fmt::format("{} has no key '{}'", where, member),
           {fmt::format("the name of the table is the id: '{}'", id)});
    table.erase(member);
}

void Lowering::report(DiagnosticKind kind, Origin origin, std::string message, std::vector<std::string> notes,
                      std::string label) {
    diagnostics_.add({kind, std::move(origin), std::move(message), std::move(label), std::move(notes)});
}

std::filesystem::path absolute_path(const Document& document, const Value& path) {
    namespace fs = std::filesystem;
    const std::string& text = path.string() == nullptr ? std::string() : *path.string();
    return (document.directory_of(path.origin) / expand_home(text)).lexically_normal();
}

}  // namespace qvm::config
