// SPDX-License-Identifier: GPL-3.0-or-later
// A VM as text again: the raw level of the language, and who said what.
#pragma once
#include <string>

#include "config/document.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// The whole VM at the raw level, as TOML that lowers to the same VM (`qvm show --compiled`).
std::string to_toml(const Vm& vm);
/// The part of it that is about the VM as a whole, and that of one resource: together, in the order of
/// Vm::resources, they are the whole.
std::string settings_to_toml(const Vm& vm);
std::string to_toml(const Resource& resource);

/// The merged document as TOML (`qvm show`).
std::string to_toml(const Document& document);

/// Each leaf of the merged document with where it was said, one a line (`qvm show --origin`).
std::string origins_text(const Document& document);

}  // namespace qvm::config
