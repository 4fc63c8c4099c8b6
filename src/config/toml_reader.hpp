// SPDX-License-Identifier: GPL-3.0-or-later
// A text as TOML, each key and value with its place. Only this and what it is made of know the TOML library.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/value.hpp"

namespace qvm::config {

using FileName = std::shared_ptr<const std::string>;
/// What makes us read a text: the `extends` or `include` of another one; null for the first.
using Via = std::shared_ptr<const Origin>;

/// Where something begins or ends, as the TOML library counts: lines and characters, from 1.
struct Place {
    std::uint32_t line = 0;
    std::uint32_t character = 0;
};

/// Positions in one text, which must outlive them. Ours are in bytes.
class Positions {
  public:
    /// The text's first line is line `first_line` of the file.
    Positions(FileName file, std::string_view text, std::uint32_t first_line = 1, Via via = {});

    Origin of(Place begin, Place end) const;
    /// The whole of a line but its blanks.
    Origin line(std::uint32_t number) const;
    std::string_view at(std::uint32_t line) const;

  private:
    std::uint32_t line_end(std::uint32_t line) const;
    std::uint32_t byte_column(Place place) const;

    FileName file_;
    std::uint32_t first_line_;
    Via via_;
    std::vector<std::string_view> lines_;
};

/// In the order of the text. Nothing, and one finding, for a text that is not TOML. Dates, and strings with a
/// NUL, are findings too, and null in the table.
std::optional<Table> read_toml(std::string_view text, const Positions& positions, Diagnostics& diagnostics);

}  // namespace qvm::config
