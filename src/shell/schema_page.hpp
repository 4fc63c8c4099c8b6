// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU's schema alone tells of a command or an event: all of its form, nothing of its meaning. For when
// no manual page is installed.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "qapi/schema.hpp"
#include "shell/frame.hpp"

namespace qvm::shell {

/// Arguments with their types, required ones first, then what comes back; ends with a note that says where
/// the missing text could be had.
std::vector<Line> schema_page(const qapi::Command& command, std::size_t columns);
/// The members of an event's data.
std::vector<Line> schema_page(const qapi::Event& event, std::size_t columns);

/// "string", "array of integer", "enum", "object"; "" for no type at all.
std::string in_words(const qapi::Type* type);

}  // namespace qvm::shell
