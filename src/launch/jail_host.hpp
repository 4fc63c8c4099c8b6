// SPDX-License-Identifier: GPL-3.0-or-later
// What [jail] asks of this host: its users, its uids, its kernel.
#pragma once
#include <optional>
#include <string>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "launch/jail_uids.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// A user of passwd(5) and his primary group; nothing if there is none of that name.
std::optional<HostIds> user_named(const std::string& name);

/// Where root's uids come from: jail.uid-range, or the usual one.
JailUids::Range range_of(const config::JailOptions& jail);

/// As root: jail.user, else the uid allotted to the VM. As an ordinary user nothing: it is his own. Throws
/// Error.
std::optional<HostIds> ids_for(const config::JailOptions& jail, VmState& state);

/// Why io_uring cannot be used here, or "". `error`: what io_uring_setup(2) answered to arguments that make
/// no sense; `disabled`: what /proc/sys/kernel/io_uring_disabled says, or "".
std::string io_uring_trouble(int error, const std::string& disabled);

/// A part of check_host().
void check_jail_host(const config::Vm& vm, Diagnostics& diagnostics);

}  // namespace qvm::launch
