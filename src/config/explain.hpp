// SPDX-License-Identifier: GPL-3.0-or-later
// What the language itself says of a path: its tables and keys, without any QEMU.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/explanation.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {

/// The parts of a path as people type it: those of a TOML key, or else what stands between the dots.
std::vector<std::string> path_parts(const std::string& text);

/// The word of the language at `path`, in which the id of a named table may be left out. Nothing if that is
/// QEMU's affair: another key of an open table, what is inside a raw one, and what is no table at all. Throws
/// Error (Usage) with the nearest word when a table has no such key.
std::optional<Explanation> explain_word(const std::vector<std::string>& path);

/// All tables, each with its keys behind it.
std::vector<Explanation> explain_language();

/// "a path", "one of a, b or c", "an integer from 1 to 4096".
std::string takes_in_words(const KeyRule& rule);

}  // namespace qvm::config
