// SPDX-License-Identifier: GPL-3.0-or-later
// What belongs to a display that is not in one table with it: sound, and the sockets that clients come by.
#pragma once
#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::config {

void check_displays(const Vm& vm, Diagnostics& diagnostics);

}  // namespace qvm::config
