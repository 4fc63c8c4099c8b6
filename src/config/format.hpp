// SPDX-License-Identifier: GPL-3.0-or-later
// The one layout of files: on tokens, so that comments, order and the spelling of values stay.
#pragma once
#include <optional>
#include <string>

#include "base/diagnostic.hpp"

namespace qvm::config {

/// `text` with one space around '=', none at line ends, at most one empty line in a row, plain spacing in
/// arrays and inline tables, and broken arrays indented by two. Means what it meant, and formatting it again
/// changes nothing. Nothing if it is no TOML, which is reported as that of the file `name`.
std::optional<std::string> format_toml(const std::string& name, const std::string& text,
                                       Diagnostics& diagnostics);

}  // namespace qvm::config
