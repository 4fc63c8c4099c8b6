// SPDX-License-Identifier: GPL-3.0-or-later
// Strings in quotes, as the shell's grammar and QEMU's JSON have them.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace qvm::shell {

struct Quoted {
    std::string text;     ///< without quotes and escapes
    std::size_t end = 0;  ///< behind the closing quote; the text's end when there is none
    bool closed = false;
    std::string error;  ///< not empty: what cannot be read, a sentence without a dot
    std::size_t error_at = 0;
};

/// Reads the string whose quote, " or ', stands at `begin`. Escapes are those of JSON, and \'.
Quoted read_quoted(std::string_view text, std::size_t begin);

/// In the quotes that need fewer escapes; such that read_quoted() gives it again, where it is UTF-8.
std::string quote(std::string_view text);

inline bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace qvm::shell
