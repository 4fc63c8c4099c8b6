// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/processors.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace qvm::launch {
namespace {

using config::Kind;
using config::Resource;
using config::ResourceId;
using config::Table;
using config::Value;

bool is_at(const Resource& processor, const CpuSlot& slot) {
    return std::ranges::all_of(slot.place.items(), [&](const auto& member) {
        const Value* said = processor.properties.table()->find(member.key());
        return said != nullptr && said->integer() != nullptr && *said->integer() == member.value();
    });
}

Resource processor_in(const CpuSlot& slot, ResourceId id, const Origin& origin) {
    Table properties;
    properties.set("driver", origin, Value(slot.type, origin));
    for (const auto& member : slot.place.items())
        properties.set(member.key(), origin, Value(member.value().get<std::int64_t>(), origin));
    Resource processor;
    processor.id = std::move(id);
    processor.properties = Value(std::move(properties), origin);
    processor.made_by = made_by_cpus;
    processor.origin = origin;
    return processor;
}

ResourceId free_id(const config::Vm& vm, const config::Vm& running, unsigned from) {
    for (unsigned number = from;; ++number) {
        ResourceId id{Kind::Device, fmt::format("qvm.cpu{}", number)};
        if (vm.find(id) == nullptr && running.find(id) == nullptr) return id;
    }
}

}  // namespace

std::vector<CpuSlot> CpuSlot::from_reply(const Json& reply) {
    std::vector<CpuSlot> slots;
    for (const auto& entry : reply)
        if (entry.at("vcpus-count").get<unsigned>() == 1)
            slots.push_back(
                {entry.at("type").get<std::string>(), entry.at("props"), entry.contains("qom-path")});
    // QEMU tells them the other way round; a guest numbers what comes by its place.
    const auto place = [](const CpuSlot& slot) {
        std::vector<std::int64_t> numbers;
        for (const char* part : {"drawer-id", "book-id", "socket-id", "die-id", "cluster-id", "module-id",
                                 "core-id", "thread-id"})
            numbers.push_back(slot.place.value(part, std::int64_t{0}));
        return numbers;
    };
    std::ranges::stable_sort(slots, {}, place);
    return slots;
}

bool lets_processors_go(const qapi::Capabilities& qemu, const std::string& accel) {
    return accel != "tcg" || qemu.version >= qapi::Version{10, 0, 0};
}

std::string place_processors(config::Vm& vm, const config::Vm& running, const CpuRoom& room) {
    const unsigned booted = running.smp.cpus;
    if (vm.smp.cpus < booted) return fmt::format("it was started with {}", booted);
    unsigned above = vm.smp.cpus - booted;
    for (const auto& before : running.resources) {
        if (before.made_by != made_by_cpus || before.id.kind != Kind::Device || above == 0) continue;
        Resource kept = before;
        kept.origin = vm.smp.origin;
        kept.references.clear();
        vm.resources.push_back(std::move(kept));
        --above;
    }
    unsigned most = room.most;
    for (const auto& slot : room.slots) {
        // One that is free and known was taken away beside qvm.
        const bool known = std::ranges::any_of(running.resources, [&](const Resource& resource) {
            return resource.made_by == made_by_cpus && is_at(resource, slot);
        });
        if (above == 0 || most == 0 || slot.taken || known) continue;
        vm.resources.push_back(processor_in(slot, free_id(vm, running, booted), vm.smp.origin));
        --above;
        --most;
    }
    vm.smp.cpus = booted + above;
    if (above == 0) return {};
    return most == 0 ? "with tcg, QEMU has no room again for one that went" : "QEMU has no more places";
}

}  // namespace qvm::launch
