// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes as letters.
#pragma once
#include <string>
#include <string_view>

namespace qvm {

/// RFC 4648, section 4, with its padding.
std::string base64(std::string_view bytes);

}  // namespace qvm
