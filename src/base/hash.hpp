// SPDX-License-Identifier: GPL-3.0-or-later
// A hash that is the same in every build and for ever: names of files, numbers made of names.
#pragma once
#include <cstdint>
#include <string_view>

namespace qvm {

/// FNV-1a, 64 bits. Against accidents, not against who chooses the text.
constexpr std::uint64_t stable_hash(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

}  // namespace qvm
