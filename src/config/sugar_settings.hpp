// SPDX-License-Identifier: GPL-3.0-or-later
// The tables that set the VM itself and make no resource: name memory cpus machine cpu kernel hotplug
// lifecycle jail qemu.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// `document` gives the name when none is said. First of all sugar: the rest looks at the name and the
/// machine.
void lower_settings(Lowering& lowering, const Document& document);

}  // namespace qvm::config
