// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/search.hpp"

#include <algorithm>

namespace qvm::shell {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool begins_with(std::string_view text, std::string_view needle) {
    if (text.size() < needle.size()) return false;
    for (std::size_t i = 0; i < needle.size(); ++i)
        if (lower(text[i]) != lower(needle[i])) return false;
    return true;
}

}  // namespace

std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from) {
    if (needle.empty()) return from <= text.size() ? from : std::string_view::npos;
    const char small = lower(needle.front());
    const char large = upper(needle.front());
    // The next place of each case of the first letter, so that the text is passed over by memchr(3).
    auto next_small = text.find(small, from);
    auto next_large = small == large ? std::string_view::npos : text.find(large, from);
    for (;;) {
        const auto at = std::min(next_small, next_large);
        if (at == std::string_view::npos || begins_with(text.substr(at), needle)) return at;
        if (at == next_small)
            next_small = text.find(small, at + 1);
        else
            next_large = text.find(large, at + 1);
    }
}

std::size_t find_text_backwards(std::string_view text, std::string_view needle, std::size_t before) {
    for (auto at = std::min(before, text.size()); at > 0; --at)
        if (begins_with(text.substr(at - 1), needle)) return at - 1;
    return std::string_view::npos;
}

bool matches_glob(std::string_view text, std::string_view pattern) {
    // On a mismatch the last star takes one byte more: no more than text times pattern steps.
    std::size_t t = 0;
    std::size_t p = 0;
    auto star = std::string_view::npos;
    std::size_t taken = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            taken = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || lower(pattern[p]) == lower(text[t]))) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++taken;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool is_glob(std::string_view pattern) {
    return pattern.find_first_of("*?") != std::string_view::npos;
}

}  // namespace qvm::shell
