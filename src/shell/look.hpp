// SPDX-License-Identifier: GPL-3.0-or-later
// Looking into a reply of which nothing is certain: each of these gives nothing where the value is missing or
// of another type, and none throws.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_fwd.hpp"

namespace qvm::shell {

/// Null when `value` is no object or has no such member.
const Json* member(const Json& value, std::string_view name);
const Json* array_at(const Json& value, std::string_view name);
std::optional<std::string> string_at(const Json& value, std::string_view name);
std::optional<double> number_at(const Json& value, std::string_view name);
std::optional<std::uint64_t> unsigned_at(const Json& value, std::string_view name);
std::optional<bool> bool_at(const Json& value, std::string_view name);

/// What QEMU calls a device without an id, shortened to what a person calls it:
/// "/machine/peripheral/disk0/virtio-backend" is disk0.
std::string device_name(std::string_view qdev);

}  // namespace qvm::shell
