// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM asks for that its jail does not let QEMU have.
#pragma once
#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::config {

void check_jail(const Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics);

}  // namespace qvm::config
