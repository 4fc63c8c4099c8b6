// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU lets pass, and should not: the same boot index, serial or MAC twice, an image written by two
// disks.
#pragma once
#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Wants arguments and references filled.
void check_duplicates(const Vm& vm, Diagnostics& diagnostics);

}  // namespace qvm::config
