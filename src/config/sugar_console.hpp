// SPDX-License-Identifier: GPL-3.0-or-later
// console, rng, [iothread.X]: the small devices.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// A serial port (or a virtio console) on a listening socket in the VM's runtime directory.
void lower_console(Lowering& lowering);
void lower_rng(Lowering& lowering);
void lower_iothreads(Lowering& lowering);

}  // namespace qvm::config
