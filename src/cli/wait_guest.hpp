// SPDX-License-Identifier: GPL-3.0-or-later
// Waiting until a guest has come as far as one can talk to it.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "launch/state.hpp"

namespace qvm::cli {

/// What there is to wait for: "ssh", "agent", "console".
const std::vector<std::string>& guest_signs();

/// Waits, with a progress line, for `sign`: ssh, until the guest's SSH server greets at the forward to its
/// port 22; agent, until qemu-ga answers; console, until anything was printed there. Empty: the first of
/// these that the VM has. Returns a sentence on what came. Throws Error: Usage where the VM has no such way
/// to its guest, TimedOut after `timeout` (the VM runs on), VmDied when it has ended.
std::string wait_for_guest(const launch::VmState& vm, const std::string& sign,
                           std::chrono::milliseconds timeout);

}  // namespace qvm::cli
