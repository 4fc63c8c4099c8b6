// SPDX-License-Identifier: GPL-3.0-or-later
// [limits]: what all processes of a VM may take together.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// After memory and jail.cgroup, which the limits are compared with.
void lower_limits(Lowering& lowering);

}  // namespace qvm::config
