// SPDX-License-Identifier: GPL-3.0-or-later
// SHA-256 (FIPS 180-4), to tell whether a text is still the same.
#pragma once
#include <string>
#include <string_view>

namespace qvm {

/// 64 hexadecimal digits, as sha256sum(1) prints them.
std::string sha256(std::string_view bytes);

}  // namespace qvm
