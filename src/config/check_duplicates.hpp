// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU lets pass, and should not: the same boot index, serial or MAC twice, an image written by two
// disks.
#pragma once
#include <filesystem>
#include <functional>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Wants arguments and references filled.
void check_duplicates(const Vm& vm, Diagnostics& diagnostics);

/// The one path of a file that has several.
using RealPath = std::function<std::filesystem::path(const std::filesystem::path&)>;

/// An image written by two disks under two names, which only the host that has the links can tell; those of
/// one name are left to check_duplicates().
void check_linked_images(const Vm& vm, const RealPath& real_path, Diagnostics& diagnostics);

}  // namespace qvm::config
