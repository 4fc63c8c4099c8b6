// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/memory_parts.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/sugar_memory.hpp"

namespace qvm::launch {
namespace {

using config::Kind;
using config::Resource;
using config::Value;

std::uint64_t number_of(const Resource& resource, std::string_view member) {
    const Value* value = resource.properties.table()->find(member);
    return value == nullptr || value->integer() == nullptr ? 0
                                                           : static_cast<std::uint64_t>(*value->integer());
}

void set_number(Resource& resource, const std::string& member, std::uint64_t number, const Origin& origin) {
    resource.properties.table()->set(member, origin, Value(static_cast<std::int64_t>(number), origin));
}

const Resource* hot_device(const config::Vm& vm) {
    const Resource* device = vm.find({Kind::Device, config::hot_memory});
    return device != nullptr && device->driver() == "virtio-mem-pci" ? device : nullptr;
}

/// What is plugged comes to node 0, so the others can only be as large as they were.
bool fits_nodes(const config::Vm& vm, const config::Vm& running) {
    return std::ranges::all_of(vm.resources, [&](const Resource& object) {
        if (object.id.kind != Kind::Object || !object.made_by.starts_with("numa.")) return true;
        const Resource* before = running.find(object.id);
        const auto size = number_of(object, "size");
        const auto was = before == nullptr ? 0 : number_of(*before, "size");
        return object.made_by == "numa.0" ? size >= was : size == was;
    });
}

/// The objects of the memory that is there from the start stay as large as they are.
void keep_booted(config::Vm& vm, const config::Vm& running) {
    for (Resource& object : vm.resources) {
        const bool holds = object.id.kind == Kind::Object &&
                           (object.id.id == config::boot_memory || object.made_by.starts_with("numa."));
        const Resource* before = holds ? running.find(object.id) : nullptr;
        if (before != nullptr) set_number(object, "size", number_of(*before, "size"), object.origin);
    }
}

}  // namespace

std::uint64_t room_for_memory(const config::Vm& vm) {
    std::uint64_t bytes = vm.memory.value;
    for (const Resource& device : vm.resources) {
        const bool plugs = device.id.kind == Kind::Device &&
                           (device.driver().starts_with("virtio-mem-") || device.driver() == "pc-dimm");
        const Json* memdev =
            plugs && device.arguments.contains("memdev") ? &device.arguments["memdev"] : nullptr;
        if (memdev == nullptr || !memdev->is_string()) continue;
        const Resource* object = vm.find({Kind::Object, memdev->get<std::string>()});
        if (object != nullptr) bytes += object->arguments.value("size", std::uint64_t{0});
    }
    return vm.memory_max ? std::max(bytes, vm.memory_max->value) : vm.memory.value;
}

std::string place_memory(config::Vm& vm, const config::Vm& running) {
    const Resource* before = hot_device(running);
    const Resource* room = running.find({Kind::Object, config::hot_memory});
    Resource* object = vm.find({Kind::Object, config::hot_memory});
    Resource* device = vm.find({Kind::Device, config::hot_memory});
    const std::uint64_t booted = running.memory.value;
    const std::uint64_t wanted = vm.memory.value;
    // Where the file says the device itself, it says how much that gives, too.
    const bool ours = device != nullptr && device->made_by == "memory" && object != nullptr;
    if (before == nullptr || room == nullptr || !ours)
        return wanted == booted ? "" : fmt::format("it was started with {}", format_size(booted));
    const std::uint64_t most = number_of(*room, "size");
    const std::uint64_t block = std::max<std::uint64_t>(1, number_of(*before, "block-size"));
    const std::uint64_t above = wanted > booted ? std::min(wanted - booted, most) / block * block : 0;
    set_number(*object, "size", most, object->origin);
    if (wanted >= booted && !fits_nodes(vm, running)) {
        set_number(*device, "requested-size", number_of(*before, "requested-size"), vm.memory.origin);
        return "memory that comes while it runs is in node 0";
    }
    set_number(*device, "requested-size", above, vm.memory.origin);
    if (wanted < booted) return fmt::format("it was started with {}", format_size(booted));
    if (wanted - booted > above) return fmt::format("it has room for {}", format_size(booted + most));
    vm.memory.value = booted;
    keep_booted(vm, running);
    return {};
}

}  // namespace qvm::launch
