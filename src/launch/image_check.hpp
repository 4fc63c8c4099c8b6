// SPDX-License-Identifier: GPL-3.0-or-later
// What the headers of a VM's images say, against its file.
#pragma once
#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::launch {

/// A part of check_host(): formats, backing files and external data files that the headers name, and disks
/// that would have to shrink. What cannot be read is no matter of this.
void check_images(const config::Vm& vm, Diagnostics& diagnostics);

}  // namespace qvm::launch
