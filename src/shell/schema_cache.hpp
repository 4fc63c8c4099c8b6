// SPDX-License-Identifier: GPL-3.0-or-later
// Schemas of servers, kept on disk: a QEMU takes some 30 ms to tell its own, and stands still meanwhile.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "qapi/schema.hpp"
#include "qmp/message.hpp"

namespace qvm::shell {

/// What tells one server from another: its version, its package and the commands it has.
std::string schema_key(const qmp::Greeting& greeting, const std::vector<std::string>& commands);

/// From $XDG_CACHE_HOME/qvm/schemas; nothing when it is not there or damaged.
std::optional<qapi::Schema> cached_schema(const std::string& key);
/// A cache that cannot be written is none.
void cache_schema(const std::string& key, const qapi::Schema& schema);

}  // namespace qvm::shell
