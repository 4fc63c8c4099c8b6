// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/block_nodes.hpp"

namespace qvm::launch {

using config::Kind;
using config::Resource;
using config::Table;
using config::Value;

namespace {

const Value* find_inner(const Value& value, const std::string& name) {
    if (const config::Array* array = value.array())
        for (const Value& item : *array)
            if (const Value* found = find_inner(item, name)) return found;
    const Table* table = value.table();
    if (table == nullptr) return nullptr;
    const Value* own = table->find("node-name");
    if (own != nullptr && own->string() != nullptr && *own->string() == name) return &value;
    for (const auto& entry : table->entries())
        if (const Value* found = find_inner(entry.value, name)) return found;
    return nullptr;
}

}  // namespace

const Value* find_node(const config::Vm& vm, const std::string& name) {
    if (const Resource* whole = vm.find({Kind::Blockdev, name})) return &whole->properties;
    for (const Resource& resource : vm.resources)
        if (resource.id.kind == Kind::Blockdev)
            if (const Value* inner = find_inner(resource.properties, name)) return inner;
    return nullptr;
}

const Table* child_of(const config::Vm& vm, const Value* child) {
    if (child != nullptr && child->string() != nullptr) child = find_node(vm, *child->string());
    return child == nullptr ? nullptr : child->table();
}

const Value* filename_of(const config::Vm& vm, const Table& node) {
    const Table* protocol = child_of(vm, node.find("file"));
    const Value* name = protocol == nullptr ? nullptr : protocol->find("filename");
    return name != nullptr && name->string() != nullptr && name->string()->starts_with('/') ? name : nullptr;
}

}  // namespace qvm::launch
