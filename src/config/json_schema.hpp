// SPDX-License-Identifier: GPL-3.0-or-later
// The language as a JSON Schema, for editors: what a file may say where this QEMU runs it.
#pragma once
#include <string>
#include <vector>

#include "base/json_fwd.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::config {

/// The types whose properties json_schema() tells of: all devices, machines and CPU models.
std::vector<std::string> types_of_json_schema(const qapi::Capabilities& qemu);

/// Draft 7. It takes every file that check() takes, and refuses what one value or one key alone makes wrong:
/// a key that does not exist, a value of another type. Nothing is required, because a file may be a part of a
/// VM. The same QEMU gives the same document.
Json json_schema(const qapi::Capabilities& qemu);

}  // namespace qvm::config
