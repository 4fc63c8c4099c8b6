// SPDX-License-Identifier: GPL-3.0-or-later
// The commands that QEMU gets at its start ([[qmp]]) against its schema.
#pragma once
#include "config/check_report.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Types the arguments of each, and reports what this QEMU would not take, and what is qvm's own affair.
void check_commands(Vm& vm, Reporter& reporter);

}  // namespace qvm::config
