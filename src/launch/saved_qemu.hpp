// SPDX-License-Identifier: GPL-3.0-or-later
// What a QEMU can do, in one file: a VM's file can be checked where that QEMU is not.
#pragma once
#include <string>

#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// `qemu` has everything (Probe::everything).
std::string saved_qemu_text(const qapi::Capabilities& qemu);

/// Throws Error (Invalid) with the file, why, and what to do.
qapi::Capabilities read_saved_qemu(const std::string& path);

}  // namespace qvm::launch
