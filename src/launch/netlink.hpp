// SPDX-License-Identifier: GPL-3.0-or-later
// What of interfaces only rtnetlink(7) can say. These throw SystemError (HostCannot).
#pragma once
#include <string>

namespace qvm::launch {

/// A macvtap `name` over the interface `parent`, in mode bridge, with the address `mac`.
void make_macvtap(const std::string& name, int parent, const std::string& mac);
/// Into the network namespace that a descriptor of /proc/PID/ns/net names.
void move_interface(const std::string& name, int index, int network);
/// Quietly: for what failed halfway.
void remove_interface(int index) noexcept;

}  // namespace qvm::launch
