// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/quoted.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/json.hpp"

namespace qvm::shell {
namespace {

std::optional<std::uint32_t> four_digits(std::string_view text, std::size_t begin) {
    if (begin + 4 > text.size()) return std::nullopt;
    std::uint32_t value = 0;
    const char* const first = text.data() + begin;
    const auto [end, error] = std::from_chars(first, first + 4, value, 16);
    if (error != std::errc() || end != first + 4) return std::nullopt;
    return value;
}

void append_utf8(std::string& text, std::uint32_t code) {
    const auto byte = [&](std::uint32_t value) { text += static_cast<char>(value); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xC0U | (code >> 6U));
        byte(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
        byte(0xE0U | (code >> 12U));
        byte(0x80U | ((code >> 6U) & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    } else {
        byte(0xF0U | (code >> 18U));
        byte(0x80U | ((code >> 12U) & 0x3FU));
        byte(0x80U | ((code >> 6U) & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    }
}

/// "\uXXXX" at `at`, or two of them that are one character; moves `at` behind it. False if it is none.
bool read_unicode(std::string_view text, std::size_t& at, std::string& result) {
    const auto first = four_digits(text, at + 2);
    if (!first || (*first >= 0xDC00 && *first < 0xE000)) return false;
    at += 6;
    if (*first < 0xD800 || *first >= 0xE000) {
        append_utf8(result, *first);
        return true;
    }
    const auto second = text.substr(at, 2) == "\\u" ? four_digits(text, at + 2) : std::nullopt;
    if (!second || *second < 0xDC00 || *second >= 0xE000) return false;
    at += 6;
    append_utf8(result, 0x10000 + ((*first - 0xD800) << 10U) + (*second - 0xDC00));
    return true;
}

/// The character that a backslash and `letter` stand for.
std::optional<char> plain_escape(char letter) {
    constexpr std::string_view letters = "\"'\\/bfnrt";
    constexpr std::string_view values = "\"'\\/\b\f\n\r\t";
    const auto which = letters.find(letter);
    if (which == std::string_view::npos) return std::nullopt;
    return values[which];
}

}  // namespace

Quoted read_quoted(std::string_view text, std::size_t begin) {
    Quoted result;
    const char quote = text[begin];
    const auto fail = [&](const char* what, std::size_t at) {
        if (result.error.empty()) {
            result.error = what;
            result.error_at = at;
        }
    };
    std::size_t at = begin + 1;
    while (at < text.size() && text[at] != quote) {
        if (text[at] != '\\') {
            result.text += text[at++];
            continue;
        }
        if (at + 1 == text.size()) break;
        const std::size_t escape = at;
        if (const auto plain = plain_escape(text[at + 1])) {
            result.text += *plain;
            at += 2;
        } else if (text[at + 1] != 'u') {
            fail("there is no such escape; a backslash itself is written \\\\", escape);
            at += 2;
        } else if (!read_unicode(text, at, result.text)) {
            fail("\\u wants four hexadecimal digits that are a character", escape);
            at = std::max(at, escape + 2);
        }
    }
    result.closed = at < text.size() && text[at] == quote;
    if (!result.closed) {
        fail("the closing quote is missing", begin);
        at = text.size();
    }
    result.end = result.closed ? at + 1 : at;
    return result;
}

std::string quote(std::string_view text) {
    std::string json = Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
    const bool only_quotes =
        text.find('"') != std::string_view::npos && text.find('\'') == std::string_view::npos &&
        json.size() == text.size() + 2 + static_cast<std::size_t>(std::ranges::count(text, '"'));
    if (!only_quotes || text.find('\\') != std::string_view::npos) return json;
    return '\'' + std::string(text) + '\'';
}

}  // namespace qvm::shell
