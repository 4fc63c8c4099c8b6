// SPDX-License-Identifier: GPL-3.0-or-later
// Words and numbers as users write them: nearest names, sizes, durations, safe display.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace qvm {

/// The candidate a user most likely meant by `name`, or nothing if none is near enough to be helpful (about
/// one mistake in three letters; a swap of neighbours counts as one). Ties go to the first.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

/// "did you mean 'x'?" for the nearest candidate, or "".
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

/// A size in bytes from "512M", "1.5G", "20GiB", "4096": K M G T P E are powers of 1024. Fractions must give
/// whole bytes. On failure the alternative is a sentence that says why ("20GB" names both readings).
std::variant<std::uint64_t, std::string> parse_size(std::string_view text);

/// The shortest exact form: 536870912 -> "512M", 1000 -> "1000".
std::string format_size(std::uint64_t bytes);

/// "200ms", "5s", "2m", "1h"; the alternative is a sentence that says why not.
std::variant<std::chrono::milliseconds, std::string> parse_duration(std::string_view text);

/// "200ms", "30s", "2m".
std::string format_duration(std::chrono::milliseconds duration);

/// Bytes that are not ours (a file's line, a guest's output, QEMU's words) made safe for a terminal: control
/// characters, escapes, bidirectional overrides and invalid UTF-8 become visible; tab stays.
std::string escape_controls(std::string_view text);

/// The number of characters of UTF-8 text (every one counted as one column wide).
std::size_t display_width(std::string_view text);
/// Its first `columns` characters, never half a one.
std::string_view cut_to_width(std::string_view text, std::size_t columns);

/// "a", "a or b", "a, b or c".
std::string join_or(std::span<const std::string> words);

}  // namespace qvm
