// SPDX-License-Identifier: GPL-3.0-or-later
// [share.X]: directories of this host in the guest.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

void lower_shares(Lowering& lowering);

/// A [host.X] process of the profile virtiofsd, or of another that has its keys.
void check_virtiofsd(Lowering& lowering, const Item& host);

}  // namespace qvm::config
