// SPDX-License-Identifier: GPL-3.0-or-later
// Values of qdev and QOM properties, of which introspection knows only a type's name and a description.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "qapi/capabilities.hpp"
#include "qapi/validate.hpp"

namespace qvm::config {

struct IntegerRange {
    std::int64_t least = 0;
    std::uint64_t most = 0;
};

/// Of a property that takes an integer.
std::optional<IntegerRange> integer_range(const qapi::Property& property);

/// Whether it takes any string: text, or the id of something.
bool is_text(const qapi::Property& property);

/// The values of an enum property, found in its description ("..., report/ignore/stop") or known by its
/// type's name; empty if it is no enum or nobody says its values.
std::vector<std::string> enum_values(const qapi::Property& property);

/// `value` in the form QEMU wants; what has a problem is returned unchanged. `path` is where it stands.
Json check_property(const qapi::Property& property, const Json& value, const qapi::Path& path,
                    std::vector<qapi::Problem>& problems);

/// Null if there is none.
const qapi::Property* find_property(const std::vector<qapi::Property>& properties, std::string_view name);

}  // namespace qvm::config
