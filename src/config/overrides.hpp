// SPDX-License-Identifier: GPL-3.0-or-later
// --set and --unset: what the command line says over the files.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/document.hpp"

namespace qvm::config {

/// The parts of a TOML dotted key: a.\"b.c\" has two. Nothing if `text` is no key.
std::optional<std::vector<std::string>> key_path(const std::string& text);

/// Takes what is at `path` out of `from`; false if nothing is there.
bool remove_at(Table& from, const std::vector<std::string>& path);

/// In their order, over the merged files; each in a text "--set" or "--unset", a line of its own.
void apply_overrides(Document& document, const std::vector<Override>& overrides, Diagnostics& diagnostics);

}  // namespace qvm::config
