// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace qvm {
namespace {

/// Optimal string alignment distance: insert, delete, replace, or swap neighbours, each costs one.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replace});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = std::min(current[j], before[j - 2] + 1);
        }
        std::swap(before, previous);
        std::swap(previous, current);
    }
    return previous[b.size()];
}

/// '_' and '-' and case are no mistakes worth a letter each.
std::string folded(std::string_view name) {
    std::string text(name);
    for (auto& c : text) {
        if (c == '_' || c == ' ') c = '-';
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return text;
}

constexpr std::string_view size_letters = "KMGTPE";

struct DecodedChar {
    std::uint32_t code;
    std::size_t bytes;  ///< 0: invalid
};

DecodedChar decode_utf8(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
    };
    const std::uint32_t first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t bytes = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    if (bytes == 0 || first >= 0xF5 || text.size() < bytes) return {0, 0};
    std::uint32_t code = first & (0x7FU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return {0, 0};
        code = code << 6U | (byte(i) & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    if (code < smallest[bytes] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {0, 0};
    return {code, bytes};
}

bool moves_text(std::uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C || code == 0x200E ||
           code == 0x200F || (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0x2028 || code == 0x2029;
}

}  // namespace

std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates) {
    const auto wanted = folded(name);
    const std::size_t allowed = std::max<std::size_t>(1, (wanted.size() + 1) / 3);
    std::optional<std::string> best;
    std::size_t best_distance = allowed + 1;
    for (const auto& candidate : candidates) {
        const auto other = folded(candidate);
        const auto difference =
            other.size() > wanted.size() ? other.size() - wanted.size() : wanted.size() - other.size();
        if (difference >= best_distance) continue;
        const auto distance = edit_distance(wanted, other);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
    const auto found = nearest(name, candidates);
    return found ? fmt::format("did you mean '{}'?", *found) : std::string();
}

std::variant<std::uint64_t, std::string> parse_size(std::string_view text) {
    const auto whole = text;
    const auto fail = [&](std::string_view why) { return fmt::format("'{}' is not a size: {}", whole, why); };
    const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string_view number = text.substr(0, digits);
    std::string_view unit = text.substr(digits);
    while (unit.starts_with(' ')) unit.remove_prefix(1);
    if (number.empty() || number.front() == '.' || number.back() == '.' ||
        std::ranges::count(number, '.') > 1)
        return fail("write a number and K, M, G, T, P or E, as in \"512M\"");
    unsigned shift = 0;
    if (!unit.empty()) {
        const char letter =
            unit.front() >= 'a' && unit.front() <= 'z' ? static_cast<char>(unit.front() - 32) : unit.front();
        const auto index = size_letters.find(letter);
        const auto rest = unit.substr(1);
        if (letter == 'B' && rest.empty())
            shift = 0;
        else if (index == std::string_view::npos)
            return fail("the unit must be K, M, G, T, P or E (powers of 1024)");
        else if (rest == "B" || rest == "b")
            return fail(fmt::format(
                "write \"{0}{1}\" for powers of 1024, or the bytes as an integer for powers of 1000", number,
                letter));
        else if (!rest.empty() && rest != "iB")
            return fail("the unit must be K, M, G, T, P or E (powers of 1024)");
        else
            shift = static_cast<unsigned>(10 * (index + 1));
    }
    const auto dot = number.find('.');
    std::uint64_t integer = 0;
    const auto int_part = number.substr(0, dot);
    if (std::from_chars(int_part.data(), int_part.data() + int_part.size(), integer).ec != std::errc())
        return fail("it is larger than 2^64 bytes");
    if (shift > 0 && integer >> (64 - shift) != 0) return fail("it is larger than 2^64 bytes");
    std::uint64_t bytes = integer << shift;
    if (dot != std::string_view::npos) {
        long double fraction = 0;
        long double weight = 0.1L;
        for (const char c : number.substr(dot + 1)) {
            fraction += weight * static_cast<long double>(c - '0');
            weight /= 10;
        }
        const long double extra = std::ldexp(fraction, static_cast<int>(shift));
        const long double rounded = std::round(extra);
        if (std::fabs(extra - rounded) > 1e-3L && shift < 20)
            return fail("it is not a whole number of bytes");
        bytes += static_cast<std::uint64_t>(rounded);
    }
    return bytes;
}

std::string format_size(std::uint64_t bytes) {
    std::size_t steps = 0;
    while (bytes != 0 && bytes % 1024 == 0 && steps < size_letters.size()) {
        bytes /= 1024;
        ++steps;
    }
    return steps == 0 ? std::to_string(bytes) : fmt::format("{}{}", bytes, size_letters[steps - 1]);
}

std::variant<std::chrono::milliseconds, std::string> parse_duration(std::string_view text) {
    const auto fail =
        fmt::format("'{}' is not a duration: write a number and ms, s, m or h, as in \"30s\"", text);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0 || number > 1'000'000'000) return fail;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (unit == "ms") return std::chrono::milliseconds(number);
    if (unit == "s") return std::chrono::milliseconds(number * 1000);
    if (unit == "m") return std::chrono::milliseconds(number * 60'000);
    if (unit == "h") return std::chrono::milliseconds(number * 3'600'000);
    return fail;
}

std::string format_duration(std::chrono::milliseconds duration) {
    const auto ms = duration.count();
    if (ms % 60'000 == 0 && ms != 0) return fmt::format("{}m", ms / 60'000);
    if (ms % 1000 == 0) return fmt::format("{}s", ms / 1000);
    return fmt::format("{}ms", ms);
}

std::string escape_controls(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto [code, bytes] = decode_utf8(text);
        if (bytes == 0)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        else if (moves_text(code) && code != '\t')
            out += code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
        else
            out += text.substr(0, bytes);
        text.remove_prefix(std::max<std::size_t>(1, bytes));
    }
    return out;
}

namespace {

bool begins_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

}  // namespace

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string_view cut_to_width(std::string_view text, std::size_t columns) {
    for (std::size_t i = 0; i < text.size(); ++i)
        if (begins_character(text[i]) && columns-- == 0) return text.substr(0, i);
    return text;
}

std::string join_or(std::span<const std::string> words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

}  // namespace qvm
