// SPDX-License-Identifier: GPL-3.0-or-later
// Tap interfaces of this host, for a nic of the guest.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "config/resource.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// A descriptor for each queue. An interface that is made here is up, and gone when the last of them is
/// closed; one that was there is left as it is. Throws SystemError or Error (HostCannot) with what would
/// help.
std::vector<Fd> open_tap(const OpenTap& tap);

/// Of a [host.X] of kind tap: what is missing on this host, without changing anything.
void check_tap(const config::Resource& host, Diagnostics& diagnostics);

/// QEMU's program that puts a tap into a bridge for a user; nothing if it is not installed.
std::optional<std::filesystem::path> find_bridge_helper();

/// Switches the kernel's half of nics off where it cannot be had (no /dev/vhost-net that opens, or emulated
/// processors), but for those whose file asks for it.
void place_vhost(config::Vm& vm);

}  // namespace qvm::launch
