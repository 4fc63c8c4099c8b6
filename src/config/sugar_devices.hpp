// SPDX-License-Identifier: GPL-3.0-or-later
// The tables of one device each: [balloon] [agent] [vsock] [input] [watchdog] [video]; and [rtc].
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

void lower_devices(Lowering& lowering);

/// [rtc] and the action of [watchdog], which become options: after those of the raw level, with which they
/// may clash.
void lower_clocks(Lowering& lowering);

}  // namespace qvm::config
