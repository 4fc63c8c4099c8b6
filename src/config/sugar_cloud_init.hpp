// SPDX-License-Identifier: GPL-3.0-or-later
// [cloud-init]: a small disk that cloud-init in the guest reads at its first boot (its NoCloud data source).
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

void lower_cloud_init(Lowering& lowering);

/// What a seed may say, be it [cloud-init] or a [host.X] of that kind.
void check_seed(Lowering& lowering, const Item& seed);

/// The paths in it become absolute.
Table seed_properties(const Lowering& lowering, const Item& seed);

}  // namespace qvm::config
