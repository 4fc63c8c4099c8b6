// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/look.hpp"

#include "base/json.hpp"

namespace qvm::shell {

const Json* member(const Json& value, std::string_view name) {
    if (!value.is_object()) return nullptr;
    const auto found = value.find(name);
    return found == value.end() ? nullptr : &*found;
}

const Json* array_at(const Json& value, std::string_view name) {
    const auto* found = member(value, name);
    return found != nullptr && found->is_array() ? found : nullptr;
}

std::optional<std::string> string_at(const Json& value, std::string_view name) {
    const auto* found = member(value, name);
    if (found == nullptr || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
}

std::optional<double> number_at(const Json& value, std::string_view name) {
    const auto* found = member(value, name);
    if (found == nullptr || !found->is_number()) return std::nullopt;
    return found->get<double>();
}

std::optional<std::uint64_t> unsigned_at(const Json& value, std::string_view name) {
    const auto* found = member(value, name);
    // QEMU writes -1 for "not mapped" in members that are otherwise addresses.
    if (found == nullptr || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

std::optional<bool> bool_at(const Json& value, std::string_view name) {
    const auto* found = member(value, name);
    if (found == nullptr || !found->is_boolean()) return std::nullopt;
    return found->get<bool>();
}

std::string device_name(std::string_view qdev) {
    constexpr std::string_view named = "/machine/peripheral/";
    constexpr std::string_view unnamed = "/machine/peripheral-anon/";
    constexpr std::string_view unattached = "/machine/unattached/";
    constexpr std::string_view backend = "/virtio-backend";
    if (qdev.ends_with(backend)) qdev.remove_suffix(backend.size());
    for (const auto prefix : {named, unnamed, unattached})
        if (qdev.starts_with(prefix)) qdev.remove_prefix(prefix.size());
    return std::string(qdev);
}

}  // namespace qvm::shell
