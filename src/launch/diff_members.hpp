// SPDX-License-Identifier: GPL-3.0-or-later
// What of a resource QEMU changes while it runs, and how: tables, each row with its source.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "config/resource.hpp"
#include "launch/diff.hpp"

namespace qvm::launch {

/// How a changed member is set, if it can be. A value that is null is not there.
std::optional<Way> way_of(const config::Resource& after, const std::string& member, const Json& old_value,
                          const Json& new_value);

/// Null if there is none.
Json member_of(const Json& arguments, const std::string& member);

/// True if nothing has to be done about it.
bool is_same(const config::Resource& before, const config::Resource& after);

/// All changes of a resource in place, or none when one of them cannot be made so.
std::vector<Change> changes_in_place(const config::Resource& before, const config::Resource& after);

bool has_removable_medium(std::string_view type);

/// True of a device that goes on with another chardev backend.
bool takes_another_backend(std::string_view type);

}  // namespace qvm::launch
