// SPDX-License-Identifier: GPL-3.0-or-later
// [limits] and jail.cgroup: what all processes of a VM may take together.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// After memory, which a limit is compared with.
void lower_limits(Lowering& lowering);

}  // namespace qvm::config
