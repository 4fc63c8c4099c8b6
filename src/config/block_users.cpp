// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/block_users.hpp"

#include <algorithm>

namespace qvm::config {

bool shares(const Resource& device) {
    return device.arguments.is_object() && device.arguments.value("share-rw", Json(false)) == true;
}

bool all_share(const std::set<const Resource*>& devices) {
    return !devices.empty() && std::ranges::all_of(devices, [](const Resource* d) { return shares(*d); });
}

const Value* value_at(const Resource& resource, std::span<const std::string> member) {
    const Value* value = &resource.properties;
    for (const auto& name : member) {
        if (const Array* array = value->array()) {
            const auto index = std::stoul(name);
            value = index < array->size() ? &(*array)[index] : nullptr;
        } else {
            value = value->table() == nullptr ? nullptr : value->table()->find(name);
        }
        if (value == nullptr) return nullptr;
    }
    return value;
}

BlockUsers::BlockUsers(const Vm& vm) {
    for (const Resource& resource : vm.resources) {
        for (const Reference& reference : resource.references) {
            const Value* name = value_at(resource, reference.member);
            if (reference.target.kind == Kind::Blockdev && name != nullptr && name->string() != nullptr)
                users_.emplace(*name->string(), &resource);
        }
        if (resource.id.kind == Kind::Blockdev && resource.properties.table() != nullptr)
            for (const Entry& entry : resource.properties.table()->entries())
                add_inner(resource, entry.value);
    }
}

void BlockUsers::add_inner(const Resource& owner, const Value& value) {
    if (const Array* array = value.array())
        for (const Value& item : *array) add_inner(owner, item);
    if (value.table() == nullptr) return;
    const Value* name = value.table()->find("node-name");
    if (name != nullptr && name->string() != nullptr) users_.emplace(*name->string(), &owner);
    for (const Entry& entry : value.table()->entries()) add_inner(owner, entry.value);
}

std::set<const Resource*> BlockUsers::devices_on(const std::string& node) const {
    std::set<const Resource*> devices, seen;
    std::vector<std::string> open{node};
    while (!open.empty()) {
        const auto [first, last] = users_.equal_range(open.back());
        open.pop_back();
        for (auto it = first; it != last; ++it) {
            if (!seen.insert(it->second).second) continue;
            if (it->second->id.kind == Kind::Device)
                devices.insert(it->second);
            else
                open.push_back(it->second->id.id);
        }
    }
    return devices;
}

}  // namespace qvm::config
