// SPDX-License-Identifier: GPL-3.0-or-later
// cpus = 4, or [cpus]: the complete topology from the numbers that were said.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

void lower_smp(Lowering& lowering);

}  // namespace qvm::config
