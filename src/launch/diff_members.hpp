// SPDX-License-Identifier: GPL-3.0-or-later
// What of a resource QEMU changes while it runs, and how: tables, each row with its source.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "config/resource.hpp"
#include "launch/diff.hpp"

namespace qvm::launch {

/// How a changed member is set, if it can be. A value that is null is not there.
std::optional<Way> way_of(const config::Resource& after, const std::string& member, const Json& old_value,
                          const Json& new_value);

bool has_removable_medium(std::string_view type);

/// True of a device that goes on with another chardev backend.
bool takes_another_backend(std::string_view type);

}  // namespace qvm::launch
