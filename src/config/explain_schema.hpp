// SPDX-License-Identifier: GPL-3.0-or-later
// The members of block nodes, objects, networks and chardevs, from the schema of the commands that make them.
#pragma once
#include <string>
#include <vector>

#include "config/explain_qemu.hpp"
#include "qapi/schema.hpp"

namespace qvm::config {

/// The values of the member that tells what a "blockdev", "object", "netdev" or "chardev" is.
std::vector<std::string> schema_types(const std::string& table, const qapi::Schema& schema);

/// Fills in what `word`, which is of one of these tables, means. Throws Error (Usage) with the nearest name
/// when there is no such member.
void explain_members(const QemuWord& word, const qapi::Schema& schema, Explanation& explanation);

}  // namespace qvm::config
