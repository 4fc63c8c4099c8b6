// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/resource.hpp"

#include <algorithm>

namespace qvm::config {
namespace {

const std::string* text_at(const Value& value, std::string_view key) {
    const Table* table = value.table();
    const Value* member = table == nullptr ? nullptr : table->find(key);
    return member == nullptr ? nullptr : member->string();
}

std::string_view driver_member(Kind kind) {
    switch (kind) {
        case Kind::Object:
            return "qom-type";
        case Kind::Chardev:
            return "backend";
        case Kind::Blockdev:
            return "driver";
        case Kind::Netdev:
            return "type";
        case Kind::Audiodev:
        case Kind::Device:
            return "driver";
        case Kind::Host:
            return "kind";
    }
    return "";
}

}  // namespace

std::string_view table_name(Kind kind) {
    switch (kind) {
        case Kind::Object:
            return "object";
        case Kind::Chardev:
            return "chardev";
        case Kind::Blockdev:
            return "blockdev";
        case Kind::Netdev:
            return "netdev";
        case Kind::Audiodev:
            return "audiodev";
        case Kind::Device:
            return "device";
        case Kind::Host:
            return "host";
    }
    return "";
}

std::string Resource::driver() const {
    const Value* holder = &properties;
    std::string_view member = driver_member(id.kind);
    if (id.kind == Kind::Chardev) {
        const Table* table = properties.table();
        holder = table == nullptr ? nullptr : table->find(member);
        member = "type";
    }
    const std::string* text = holder == nullptr ? nullptr : text_at(*holder, member);
    return text == nullptr ? std::string() : *text;
}

const Resource* Vm::find(const ResourceId& id) const {
    const auto found = std::ranges::find(resources, id, &Resource::id);
    return found == resources.end() ? nullptr : &*found;
}

Resource* Vm::find(const ResourceId& id) {
    const auto found = std::ranges::find(resources, id, &Resource::id);
    return found == resources.end() ? nullptr : &*found;
}

}  // namespace qvm::config
