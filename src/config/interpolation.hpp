// SPDX-License-Identifier: GPL-3.0-or-later
// ${..} in strings: ${x} of [vars], ${env:X}, ${dir} and ${name}; $${ is a literal ${.
#pragma once
#include <string>
#include <string_view>

#include "base/diagnostic.hpp"
#include "config/document.hpp"

namespace qvm::config {

/// Replaces it in all strings of the merged document, and takes [vars] out of it. A string that is one
/// variable and nothing else takes the variable's type, too, where its key allows that.
void interpolate(Document& document, Diagnostics& diagnostics);

/// `text` as interpolate() reads it back: each ${ doubled.
std::string without_variables(std::string_view text);

}  // namespace qvm::config
