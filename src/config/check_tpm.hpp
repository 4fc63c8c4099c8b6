// SPDX-License-Identifier: GPL-3.0-or-later
// A TPM's parts, which name each other where introspection says only "string".
#pragma once
#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Reports a device whose `tpmdev` is no [option.tpmdev], and an emulator whose `chardev` is none.
void check_tpm(const Vm& vm, Diagnostics& diagnostics);

}  // namespace qvm::config
