// SPDX-License-Identifier: GPL-3.0-or-later
// A backend serves one frontend: what is attached twice is refused by QEMU only when the second comes.
#pragma once
#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Wants arguments and references filled.
void check_backends(const Vm& vm, Diagnostics& diagnostics);

}  // namespace qvm::config
