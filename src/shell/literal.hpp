// SPDX-License-Identifier: GPL-3.0-or-later
// Bare words as values: by their looks, or as a type wants them.
#pragma once
#include <optional>
#include <string_view>

#include "base/json_fwd.hpp"

namespace qvm::shell {

enum class Digits {
    Json,  ///< numbers as JSON has them
    Any    ///< and 0x numbers
};

/// A number, true, false or null; nothing when the word is none of these.
std::optional<Json> literal(std::string_view word, Digits digits);

/// A whole number, also with 0x, and with a unit (8M) where there is no 0x. Nothing when it is none, or does
/// not fit 64 bits.
std::optional<Json> integer(std::string_view word);

/// true, false, on, off.
std::optional<bool> truth(std::string_view word);

}  // namespace qvm::shell
