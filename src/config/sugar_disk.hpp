// SPDX-License-Identifier: GPL-3.0-or-later
// [disk.X] and [cdrom.X]: a block node X on its file X.file, and a device X that uses it.
#pragma once
#include "config/lowering.hpp"
#include "config/sugar_buses.hpp"

namespace qvm::config {

void lower_disks(Lowering& lowering, Buses& buses);
void lower_cdroms(Lowering& lowering, Buses& buses);

}  // namespace qvm::config
