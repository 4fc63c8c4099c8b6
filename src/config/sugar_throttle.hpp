// SPDX-License-Identifier: GPL-3.0-or-later
// [throttle.X].
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// Each [throttle.X] becomes an object throttle-group, its words the members of `limits`. What QEMU refuses
/// of them is reported: total beside read or write, a -max without what it may exceed, or below it.
void lower_throttles(Lowering& lowering);

}  // namespace qvm::config
