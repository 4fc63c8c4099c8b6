// SPDX-License-Identifier: GPL-3.0-or-later
// Of [jail], what the jail is made of, and what it lets QEMU have.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

void lower_jail_more(Lowering& lowering, const Item& jail);

}  // namespace qvm::config
