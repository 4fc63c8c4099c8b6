// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/command_line.hpp"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "config/shared_memory.hpp"
#include "launch/placement.hpp"

namespace qvm::launch {

using config::Kind;
using config::Resource;
using config::ResourceId;

namespace {

/// Up to so many devices that can be plugged, QEMU is faster with them on its command line: it reads its
/// monitor byte by byte. With many more, QEMU 10 and later take longer and longer over each that is there.
constexpr std::size_t most_devices_on_command_line = 40;

}  // namespace

std::set<ResourceId> named_at_start(const config::Vm& vm) {
    std::set<ResourceId> names;
    const auto add = [&](const Json& properties, std::initializer_list<Kind> kinds) {
        if (!properties.is_object()) return;
        for (const auto& member : properties)
            if (member.is_string())
                for (const Kind kind : kinds)
                    if (ResourceId id{kind, member.get<std::string>()}; vm.find(id) != nullptr)
                        names.insert(std::move(id));
    };
    add(vm.machine.checked_properties, {Kind::Object, Kind::Blockdev, Kind::Chardev});
    for (const auto& option : vm.options) add(option.arguments, {Kind::Object, Kind::Chardev});
    return names;
}

CommandLine::CommandLine(const config::Vm& vm, const qapi::Capabilities& qemu) : vm_(vm) {
    std::vector<ResourceId> pluggable;
    for (const auto& [id, placement] : placements_of(vm, qemu)) {
        if (placement == Placement::Argv)
            add({Kind::Device, id});
        else
            pluggable.push_back({Kind::Device, id});
    }
    if (pluggable.size() <= most_devices_on_command_line)
        for (const auto& id : pluggable)
            if (may_be_seen(id)) add(id);
    // QEMU connects a stream or dgram netdev in a thread of its own, where the names of getfd are not
    // known (netdev_add succeeds, `info network` says "connection error"): it must inherit the
    // descriptor.
    for (const auto& resource : vm.resources)
        if (resource.id.kind == Kind::Netdev && !resource.host_uses.empty() &&
            (resource.driver() == "stream" || resource.driver() == "dgram"))
            add(resource.id);
    // A vhost-user netdev that is connected to lets QEMU do nothing else until it is: not by its monitor.
    for (const auto& resource : vm.resources)
        if (config::waits_for_peer(resource, vm)) add(resource.id);
    for (const auto& id : named_at_start(vm)) add(id);
    for (const auto& resource : vm.resources)
        if (resource.id.kind == Kind::Audiodev || stands_alone(resource)) add(resource.id);
}

void CommandLine::add(const ResourceId& id) {
    const Resource* resource = vm_.find(id);
    if (resource == nullptr || !members_.insert(id).second) return;
    for (const auto& reference : resource->references) add(reference.target);
}

/// False for a secret whose text is in the file, and for all that needs it: everyone can read the command
/// line of a process.
bool CommandLine::may_be_seen(const ResourceId& id) const {
    const Resource* resource = vm_.find(id);
    if (resource == nullptr) return true;
    if (id.kind == Kind::Object && resource->driver().starts_with("secret") &&
        resource->arguments.contains("data"))
        return false;
    return std::ranges::all_of(resource->references,
                               [this](const auto& reference) { return may_be_seen(reference.target); });
}

/// A block node or an object that needs nothing but such.
bool CommandLine::stands_alone(const Resource& resource) const {
    if (resource.id.kind != Kind::Blockdev && resource.id.kind != Kind::Object) return false;
    if (!may_be_seen(resource.id)) return false;
    return std::ranges::all_of(resource.references, [&](const auto& reference) {
        const Resource* target = vm_.find(reference.target);
        return target != nullptr && stands_alone(*target);
    });
}

}  // namespace qvm::launch
