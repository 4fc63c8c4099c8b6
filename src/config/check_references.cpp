// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_references.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::config {
namespace {

using qapi::Path;

/// What the reference wants, for messages: `an object "iothread"`, "a blockdev".
std::string words(const Target& target) {
    if (target.ancestor == "secret_common") return "an object \"secret\"";
    if (!target.ancestor.empty())
        return fmt::format("{} \"{}\"", target.kind == Kind::Device ? "a device" : "an object",
                           target.ancestor);
    switch (target.kind) {
        case Kind::Object:
            return "an object";
        case Kind::Chardev:
            return "a chardev";
        case Kind::Blockdev:
            return "a blockdev";
        case Kind::Netdev:
            return "a netdev";
        case Kind::Audiodev:
            return "an audiodev";
        case Kind::Device:
            return "a device";
        case Kind::Host:
            return "a host resource";
    }
    return {};
}

std::vector<std::string> plain(const Path& path) {
    std::vector<std::string> result;
    for (const auto& part : path) {
        if (const auto* name = std::get_if<std::string>(&part))
            result.push_back(*name);
        else
            result.push_back(std::to_string(std::get<std::size_t>(part)));
    }
    return result;
}

std::string place_note(const Resource& resource) {
    const Subject subject = subject_of(resource);
    std::string text = fmt::format(
        "'{}' is {}", resource.id.id,
        resource.id.kind == Kind::Host ? "a host resource" : describe(subject.noun, subject.name));
    if (resource.origin.known()) text += ", at " + resource.origin.to_string();
    return text;
}

/// What buses there are instead.
std::vector<std::string> buses_note(BusKind kind, const std::vector<std::string>& known) {
    if (known.empty()) return {fmt::format("this VM has no {} bus", bus_kind_name(kind))};
    constexpr std::size_t readable = 8;
    if (known.size() > readable) return {};
    return {fmt::format("{} buses of this VM: {}", bus_kind_name(kind), fmt::join(known, ", "))};
}

const qapi::Object* as_object(const qapi::Type& type) {
    return std::get_if<qapi::Object>(&type.is);
}

/// The type of a member of an object value, its own or that of the branch its tag selects; null if unknown.
const qapi::Type* member_type(const qapi::Object& object, const Json& value, std::string_view name) {
    if (const qapi::Member* m = object.member(name)) return m->type;
    if (object.tag.empty()) return nullptr;
    const auto tag = value.find(object.tag);
    if (tag == value.end() || !tag->is_string()) return nullptr;
    const qapi::Type* branch = object.variant(tag->get_ref<const std::string&>());
    const qapi::Object* inner = branch == nullptr ? nullptr : as_object(*branch);
    return inner == nullptr ? nullptr : member_type(*inner, value, name);
}

const char* command_of(Kind kind) {
    switch (kind) {
        case Kind::Object:
            return "object-add";
        case Kind::Chardev:
            return "chardev-add";
        case Kind::Blockdev:
            return "blockdev-add";
        case Kind::Netdev:
            return "netdev_add";
        case Kind::Audiodev:
        case Kind::Device:
        case Kind::Host:
            break;
    }
    return "";
}

}  // namespace

void check_option_reference(const Vm& vm, const NamedTable& option, std::string_view key, Kind kind,
                            Diagnostics& diagnostics) {
    const Value* name = option.properties.find(key);
    if (name == nullptr || name->string() == nullptr || vm.find({kind, *name->string()}) != nullptr) return;
    std::vector<std::string> known;
    for (const Resource& resource : vm.resources)
        if (resource.id.kind == kind) known.push_back(resource.id.id);
    diagnostics.add(
        {DiagnosticKind::BadRef,
         name->origin,
         fmt::format("option.{}.{} names no {}: '{}'", option.name, key, table_name(kind), *name->string()),
         did_you_mean(*name->string(), known),
         {}});
}

References::References(Vm& vm, Reporter& reporter)
    : vm_(vm), reporter_(reporter), buses_(vm, reporter.qemu()) {
    for (Resource& resource : vm.resources)
        by_id_.emplace(std::pair(resource.id.kind, resource.id.id), &resource);
    for (Resource& resource : vm.resources)
        if (resource.id.kind == Kind::Blockdev) add_nodes(resource, resource.properties, true);
}

/// A node inside another may have a name of its own.
void References::add_nodes(Resource& owner, const Value& value, bool top) {
    if (const Array* array = value.array()) {
        for (const Value& element : *array) add_nodes(owner, element, false);
        return;
    }
    const Table* table = value.table();
    if (table == nullptr) return;
    const Value* name = top ? nullptr : table->find("node-name");
    if (name != nullptr && name->string() != nullptr) {
        const auto [holder, fresh] = by_id_.emplace(std::pair(Kind::Blockdev, *name->string()), &owner);
        if (!fresh)
            reporter_.diagnostics().add({DiagnosticKind::DuplicateId,
                                         name->origin,
                                         fmt::format("there is already a block node '{}'", *name->string()),
                                         {},
                                         {place_note(*holder->second)}});
    }
    for (const Entry& entry : table->entries()) add_nodes(owner, entry.value, false);
}

Resource* References::find(Kind kind, std::string_view name) const {
    const auto found = by_id_.find(std::pair(kind, std::string(name)));
    return found == by_id_.end() ? nullptr : found->second;
}

bool References::fits(const Resource& found, const Target& target) const {
    const qapi::Capabilities& qemu = reporter_.qemu();
    // A type that QEMU does not know is reported where it is said.
    return target.ancestor.empty() || !qemu.parents.contains(found.driver()) ||
           qemu.is_a(found.driver(), target.ancestor);
}

std::vector<std::string> References::names(const Target& target) const {
    std::vector<std::string> result;
    for (const auto& [key, resource] : by_id_)
        if (key.first == target.kind && fits(*resource, target)) result.push_back(key.second);
    return result;
}

void References::report_missing(const Subject& subject, const Path& path, const std::string& name,
                                const Target& target) {
    const Origin origin = value_origin(subject, path);
    const std::string what = fmt::format("'{}' of {}", member_name(path), describe_owner(subject, path));
    for (const Kind kind : {Kind::Object, Kind::Chardev, Kind::Blockdev, Kind::Netdev, Kind::Audiodev,
                            Kind::Device, Kind::Host}) {
        const Resource* other = kind == target.kind ? nullptr : find(kind, name);
        if (other == nullptr) continue;
        perhaps_meant_.insert(other);
        reporter_.report(DiagnosticKind::WrongRefType, subject, path, origin,
                         fmt::format("{} must name {}", what, words(target)), {}, {place_note(*other)});
        return;
    }
    const auto known = names(target);
    const auto near = nearest(name, known);
    if (near) perhaps_meant_.insert(find(target.kind, *near));
    std::vector<std::string> notes;
    if (known.empty()) notes.push_back(fmt::format("this VM has no such {}", table_name(target.kind)));
    reporter_.report(DiagnosticKind::BadRef, subject, path, origin,
                     fmt::format("{} names {} that does not exist: '{}'", what, words(target), name),
                     meant(near.value_or("")), std::move(notes));
}

void References::refer(Resource* from, const Subject& subject, const Path& path, const std::string& name,
                       const Target& target) {
    // An empty name is "none" to QEMU; a path leads through the tree of all its objects.
    if (name.empty() || name.starts_with('@')) return;
    std::string_view id = name;
    if (id.starts_with("/objects/"))
        id.remove_prefix(9);
    else if (id.starts_with('/'))
        return;
    Resource* found = find(target.kind, id);
    if (found == nullptr) {
        report_missing(subject, path, name, target);
        return;
    }
    used_.insert(found);
    if (!fits(*found, target)) {
        reporter_.report(DiagnosticKind::WrongRefType, subject, path, value_origin(subject, path),
                         fmt::format("'{}' of {} must name {}", member_name(path),
                                     describe_owner(subject, path), words(target)),
                         {}, {place_note(*found)});
        return;
    }
    // A block node may name another one of its own tree; that is no order among resources unless it is a
    // loop.
    const bool own_inner = found == from && id != found->id.id;
    if (from != nullptr && !own_inner)
        from->references.push_back({plain(path), found->id, value_origin(subject, path)});
}

/// Follows `type` and `value` together, because only the type knows which strings are block nodes.
void References::walk(Resource& from, const Subject& subject, const qapi::Type& type, const Json& value,
                      Path& path) {
    if (const auto* alternate = std::get_if<qapi::Alternate>(&type.is)) {
        const qapi::Command* add = reporter_.qemu().schema.command("blockdev-add");
        const bool is_node = add != nullptr && std::ranges::find(alternate->choices, add->arguments) !=
                                                   alternate->choices.end();
        if (is_node && value.is_string()) {
            refer(&from, subject, path, value.get<std::string>(), {Kind::Blockdev, {}});
            return;
        }
        for (const qapi::Type* choice : alternate->choices)
            if ((value.is_object() && as_object(*choice) != nullptr) ||
                (value.is_array() && std::holds_alternative<qapi::Array>(choice->is)))
                walk(from, subject, *choice, value, path);
        return;
    }
    if (const auto* array = std::get_if<qapi::Array>(&type.is); array != nullptr && value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i) {
            path.emplace_back(i);
            walk(from, subject, *array->element, value[i], path);
            path.pop_back();
        }
        return;
    }
    const qapi::Object* object = as_object(type);
    if (object == nullptr || !value.is_object()) return;
    for (const auto& [name, member] : value.items()) {
        path.emplace_back(name);
        if (const auto target = target_of_member(from.id.kind, name); target && member.is_string())
            refer(&from, subject, path, member.get<std::string>(), *target);
        else if (const qapi::Type* inner = member_type(*object, value, name))
            walk(from, subject, *inner, member, path);
        path.pop_back();
    }
}

void References::find_in_arguments(Resource& resource, const Subject& subject) {
    const qapi::Command* command = reporter_.qemu().schema.command(command_of(resource.id.kind));
    if (command == nullptr) return;
    Path path;
    walk(resource, subject, *command->arguments, resource.arguments, path);
}

void References::find_in_property(Resource* from, const Subject& subject, const qapi::Property& property,
                                  const Json& value) {
    if (!value.is_string()) return;
    if (const auto target = target_of_property(property, reporter_.qemu()))
        refer(from, subject, Path{property.name}, value.get<std::string>(), *target);
}

void References::find_bus(Resource& device, const Subject& subject) {
    const std::string* name = text_at(device, "bus");
    if (name == nullptr) return;
    const Path path{std::string("bus")};
    const auto needed = bus_needed(device.driver(), reporter_.qemu());
    const Bus* bus = buses_.find(*name);
    if (bus == nullptr) {
        if (buses_.may_exist(*name)) return;
        const auto known = needed ? buses_.names(*needed) : buses_.names();
        // "scsi0" where the bus is "scsi0.0" is the likeliest slip of all.
        const bool has_first = std::ranges::find(known, *name + ".0") != known.end();
        const std::string near = has_first ? *name + ".0" : nearest(*name, known).value_or("");
        reporter_.report(DiagnosticKind::BadRef, subject, path, value_origin(subject, path),
                         fmt::format("'bus' of {} names a bus that does not exist: '{}'",
                                     describe_owner(subject, path), *name),
                         meant(near), needed ? buses_note(*needed, known) : std::vector<std::string>{});
        return;
    }
    if (bus->provider != nullptr)
        device.references.push_back({{"bus"}, bus->provider->id, value_origin(subject, path)});
    if (!needed || *needed == bus->kind) return;
    reporter_.report(
        DiagnosticKind::WrongRefType, subject, path, value_origin(subject, path),
        fmt::format("'bus' of {} must be a bus for {} devices, and '{}' is one for {} devices",
                    describe_owner(subject, path), bus_kind_name(*needed), *name, bus_kind_name(bus->kind)),
        {}, bus->provider != nullptr ? std::vector{place_note(*bus->provider)} : std::vector<std::string>{});
}

void References::find_hosts(Resource& resource) {
    for (const HostUse& use : resource.host_uses)
        if (!use.host.empty() && find(Kind::Host, use.host) != nullptr)
            resource.references.push_back({use.member, {Kind::Host, use.host}, use.origin});
}

void References::report_unused() {
    for (const Resource& resource : vm_.resources) {
        const Kind kind = resource.id.kind;
        if ((kind != Kind::Blockdev && kind != Kind::Netdev) || used_.contains(&resource) ||
            perhaps_meant_.contains(&resource))
            continue;
        const Subject subject = subject_of(resource);
        reporter_.report(DiagnosticKind::Unused, subject, {}, resource.origin,
                         fmt::format("{} '{}' is used by nothing", table_name(kind), resource.id.id));
    }
}

}  // namespace qvm::config
