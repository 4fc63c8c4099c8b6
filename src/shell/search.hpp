// SPDX-License-Identifier: GPL-3.0-or-later
// Finding text in text. The case of ASCII letters makes no difference in any of these.
#pragma once
#include <cstddef>
#include <string_view>

namespace qvm::shell {

/// The first occurrence that begins at `from` or later; npos if there is none.
std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from = 0);
/// The last occurrence that begins before `before`; npos if there is none.
std::size_t find_text_backwards(std::string_view text, std::string_view needle, std::size_t before);

/// Whether all of the text matches: "*" is any text, "?" any one byte.
bool matches_glob(std::string_view text, std::string_view pattern);
bool is_glob(std::string_view pattern);

}  // namespace qvm::shell
