// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/literal.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/json.hpp"
#include "base/text.hpp"

namespace qvm::shell {
namespace {

std::optional<Json> whole_number(std::string_view digits, bool negative, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    constexpr auto lowest = std::uint64_t{1} << 63U;
    if (!negative && value < lowest) return Json(static_cast<std::int64_t>(value));
    if (!negative) return Json(value);
    if (value > lowest) return std::nullopt;
    return Json(static_cast<std::int64_t>(0 - value));
}

/// With or without sign and 0x.
std::optional<Json> any_whole_number(std::string_view word) {
    const bool negative = word.starts_with('-');
    if (negative || word.starts_with('+')) word.remove_prefix(1);
    if (word.starts_with("0x") || word.starts_with("0X")) return whole_number(word.substr(2), negative, 16);
    return whole_number(word, negative, 10);
}

std::size_t digits_at(std::string_view word, std::size_t at) {
    std::size_t count = 0;
    while (at + count < word.size() && word[at + count] >= '0' && word[at + count] <= '9') ++count;
    return count;
}

/// Is it a number as JSON writes them? Sets `whole` when it has neither fraction nor exponent.
bool is_json_number(std::string_view word, bool& whole) {
    std::size_t at = word.starts_with('-') ? 1 : 0;
    const std::size_t digits = digits_at(word, at);
    if (digits == 0 || (digits > 1 && word[at] == '0')) return false;
    at += digits;
    whole = at == word.size();
    if (at < word.size() && word[at] == '.') {
        const std::size_t fraction = digits_at(word, at + 1);
        if (fraction == 0) return false;
        at += 1 + fraction;
    }
    if (at < word.size() && (word[at] == 'e' || word[at] == 'E')) {
        ++at;
        if (at < word.size() && (word[at] == '+' || word[at] == '-')) ++at;
        const std::size_t exponent = digits_at(word, at);
        if (exponent == 0) return false;
        at += exponent;
    }
    return at == word.size();
}

}  // namespace

std::optional<Json> literal(std::string_view word, Digits digits) {
    if (word == "true") return Json(true);
    if (word == "false") return Json(false);
    if (word == "null") return Json(nullptr);
    if (digits == Digits::Any &&
        (word.find("0x") != std::string_view::npos || word.find("0X") != std::string_view::npos))
        return any_whole_number(word);
    bool whole = false;
    if (!is_json_number(word, whole)) return std::nullopt;
    if (whole) {
        if (auto number = any_whole_number(word)) return number;
    }
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value))
        return std::nullopt;
    return Json(value);
}

std::optional<Json> integer(std::string_view word) {
    if (auto number = any_whole_number(word)) return number;
    if (word.empty() || word[0] < '0' || word[0] > '9') return std::nullopt;
    const auto size = parse_size(word);
    const auto* bytes = std::get_if<std::uint64_t>(&size);
    if (bytes == nullptr) return std::nullopt;
    if (*bytes > static_cast<std::uint64_t>(INT64_MAX)) return Json(*bytes);
    return Json(static_cast<std::int64_t>(*bytes));
}

std::optional<bool> truth(std::string_view word) {
    if (word == "true" || word == "on") return true;
    if (word == "false" || word == "off") return false;
    return std::nullopt;
}

}  // namespace qvm::shell
