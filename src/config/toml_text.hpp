// SPDX-License-Identifier: GPL-3.0-or-later
// Values written as TOML.
#pragma once
#include <string>
#include <string_view>

#include "config/value.hpp"

namespace qvm::config {

/// A key, in quotes where TOML wants them.
std::string toml_key(std::string_view key);
/// As load() reads it back: ${ is $${.
std::string toml_string(std::string_view text);
/// On one line; tables in braces; null as false, which is how the language writes it.
std::string toml_value(const Value& value);
/// "key = value\n" for each entry.
std::string toml_lines(const Table& table);

}  // namespace qvm::config
