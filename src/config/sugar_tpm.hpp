// SPDX-License-Identifier: GPL-3.0-or-later
// [tpm]: a TPM that swtpm, a process of the host, emulates.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// QEMU has one TPM at most, so [option.tpmdev] of the raw level must have been lowered before.
void lower_tpm(Lowering& lowering);

}  // namespace qvm::config
