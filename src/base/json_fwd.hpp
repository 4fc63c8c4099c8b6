// SPDX-License-Identifier: GPL-3.0-or-later
// The JSON type of the whole program, for headers.
#pragma once
#include <nlohmann/json_fwd.hpp>

namespace qvm {
/// Keeps the order of members, so that plans, goldens and what we send are stable and readable.
/// Beware of braces: Json{x} is the array [x]; write Json(x), Json::object({..}), Json::array({..}).
using Json = nlohmann::ordered_json;
}  // namespace qvm
