// SPDX-License-Identifier: GPL-3.0-or-later
// Where a value was written. A leaf header: everything that can be wrong carries one.
#pragma once
#include <compare>
#include <cstdint>
#include <memory>
#include <string>

namespace qvm {

/// A position in a source text. `file` is the path as the user gave it, or "--set" for command-line overrides
/// (then `line` is the number of the override, counted from 1). Line and column count from 1; 0 means the
/// whole file. `column` and `length` are in bytes; a length of 0 is unknown.
/// `via` tells through what the text came in (an outer file's key).
struct Origin {
    std::shared_ptr<const std::string> file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::uint32_t length = 0;
    std::shared_ptr<const Origin> via;

    bool known() const { return file != nullptr; }
    /// The file's name, or "" when unknown.
    const std::string& file_name() const;
    /// "web.toml:31:1", "web.toml" or "".
    std::string to_string() const;
};

/// By file name, line, column.
std::strong_ordering operator<=>(const Origin& a, const Origin& b);
bool operator==(const Origin& a, const Origin& b);

}  // namespace qvm
