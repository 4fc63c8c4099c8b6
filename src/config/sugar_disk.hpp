// SPDX-License-Identifier: GPL-3.0-or-later
// [disk.X] and [cdrom.X]: a block node X on its file X.file, and a device X that uses it.
#pragma once
#include "config/lowering.hpp"
#include "config/sugar_buses.hpp"

namespace qvm::config {

/// The format that a file's suffix tells; empty if it tells none.
std::string_view format_of_suffix(std::string_view file);

void lower_disks(Lowering& lowering, Buses& buses);
void lower_cdroms(Lowering& lowering, Buses& buses);

}  // namespace qvm::config
