// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/memory_parts.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

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

/// What devices hold in the room for more memory.
std::uint64_t plugged_memory(const config::Vm& vm) {
    std::uint64_t bytes = 0;
    for (const Resource& device : vm.resources)
        if (takes_room_for_memory(device)) bytes += memory_held(vm, device);
    return bytes;
}

/// DIMMs of qvm's that run, in the order in which they came.
std::vector<const Resource*> dimms_in(const config::Vm& vm) {
    std::vector<const Resource*> dimms;
    for (const Resource& device : vm.resources)
        if (device.driver() == "pc-dimm" && is_hot_dimm(device.id) &&
            vm.find({Kind::Object, device.id.id}) != nullptr)
            dimms.push_back(&device);
    return dimms;
}

/// What a DIMM of qvm's stands on has its name.
const Resource& object_of(const config::Vm& vm, const Resource& dimm) {
    return *vm.find({Kind::Object, dimm.id.id});
}

void keep(config::Vm& vm, const Resource& resource) {
    Resource kept = resource;
    kept.origin = vm.memory.origin;
    kept.references.clear();
    vm.resources.push_back(std::move(kept));
}

/// Of the same kind as the memory of the start.
Value like_booted(const config::Vm& vm, std::uint64_t bytes) {
    const Origin& origin = vm.memory.origin;
    config::Table properties;
    for (const Resource& object : vm.resources)
        if (object.id.kind == Kind::Object &&
            (object.id.id == config::boot_memory || object.made_by == "numa.0"))
            properties = *object.properties.table();
    if (properties.find("qom-type") == nullptr)
        properties.set("qom-type", origin, Value(std::string("memory-backend-ram"), origin));
    properties.set("size", origin, Value(static_cast<std::int64_t>(bytes), origin));
    return {std::move(properties), origin};
}

void add_dimm(config::Vm& vm, const config::Vm& running, std::uint64_t bytes) {
    std::string id;
    for (unsigned number = 0; id.empty() || running.find({Kind::Device, id}) != nullptr ||
                              running.find({Kind::Object, id}) != nullptr;
         ++number)
        id = fmt::format("{}{}", config::hot_dimm, number);
    const Origin& origin = vm.memory.origin;
    config::Table device;
    device.set("driver", origin, Value(std::string("pc-dimm"), origin));
    device.set("memdev", origin, Value(id, origin));
    const auto add = [&](Kind kind, Value properties) {
        Resource made;
        made.id = {kind, id};
        made.properties = std::move(properties);
        made.made_by = "memory";
        made.origin = origin;
        vm.resources.push_back(std::move(made));
    };
    add(Kind::Object, like_booted(vm, bytes));
    add(Kind::Device, Value(std::move(device), origin));
}

/// Why a DIMM of so many bytes cannot come to those that are there, else nothing.
std::string no_dimm(const config::Vm& vm, const config::Vm& running, std::uint64_t bytes) {
    const auto in_slot = [](const Resource& device) {
        return device.id.kind == Kind::Device &&
               (device.driver() == "pc-dimm" || device.driver() == "nvdimm");
    };
    if (!fits_nodes(vm, running)) return "memory that comes while it runs is in node 0";
    if (bytes % config::guests_block != 0)
        return fmt::format("a DIMM has a multiple of {}", format_size(config::guests_block));
    if (const auto there = running.memory.value + plugged_memory(running);
        bytes > 0 && there + bytes > running.memory_max->value)
        return fmt::format("it has room for {}, and has {}", format_size(running.memory_max->value),
                           format_size(there));
    if (bytes > 0 && std::ranges::count_if(running.resources, in_slot) >= dimm_slots)
        return fmt::format("all {} slots for DIMMs are taken", dimm_slots);
    return {};
}

/// As place_memory().
std::string place_dimms(config::Vm& vm, const config::Vm& running) {
    const auto dimms = dimms_in(running);
    std::vector<std::uint64_t> sizes;
    for (const auto* dimm : dimms) sizes.push_back(number_of(object_of(running, *dimm), "size"));
    const std::uint64_t booted = running.memory.value;
    std::uint64_t above = vm.memory.value > booted ? vm.memory.value - booted : 0;
    std::size_t stay = 0;
    for (; stay < dimms.size() && sizes[stay] <= above; ++stay) above -= sizes[stay];
    std::string why;
    if (vm.memory.value < booted) {
        why = fmt::format("it was started with {}", format_size(booted));
    } else if (above > 0 && stay < dimms.size()) {
        std::vector<std::string> words;
        for (const auto size : sizes) words.push_back(format_size(size));
        why = fmt::format("it was started with {}, and its DIMMs ({}) go whole, the last one first",
                          format_size(booted), fmt::join(words, ", "));
        stay = dimms.size();
    } else if (why = no_dimm(vm, running, above); !why.empty()) {
        stay = dimms.size();
    }
    for (const auto* dimm : std::span(dimms).first(stay)) {
        keep(vm, object_of(running, *dimm));
        keep(vm, *dimm);
    }
    if (!why.empty()) return why;
    if (above > 0) add_dimm(vm, running, above);
    vm.memory.value = booted;
    keep_booted(vm, running);
    return {};
}

}  // namespace

bool takes_room_for_memory(const Resource& resource) {
    constexpr std::array<std::string_view, 4> drivers{"pc-dimm", "nvdimm", "virtio-mem-", "virtio-pmem-"};
    const auto driver = resource.driver();
    return resource.id.kind == Kind::Device &&
           std::ranges::any_of(drivers, [&](auto name) { return driver.starts_with(name); });
}

std::uint64_t memory_held(const config::Vm& vm, const Resource& device) {
    const Json memdev = device.arguments.value("memdev", Json());
    if (!memdev.is_string()) return 0;
    const Resource* object = vm.find({Kind::Object, memdev.get<std::string>()});
    return object == nullptr ? 0 : object->arguments.value("size", std::uint64_t{0});
}

bool is_hot_dimm(const config::ResourceId& id) {
    return (id.kind == Kind::Device || id.kind == Kind::Object) && id.id.starts_with(config::hot_dimm);
}

std::uint64_t room_for_memory(const config::Vm& vm) {
    if (!vm.memory_max) return vm.memory.value;
    return std::max(vm.memory.value + plugged_memory(vm), vm.memory_max->value);
}

std::string place_memory(config::Vm& vm, const config::Vm& running) {
    if (running.memory_in_dimms && running.memory_max) return place_dimms(vm, running);
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
