// SPDX-License-Identifier: GPL-3.0-or-later
// A nic of the guest on an interface of this host, beside the host itself (macvtap). Unlike a tap, a macvtap
// outlives its descriptors; so it is put into a network namespace that nothing but its descriptors keeps.
#pragma once
#include <vector>

#include "base/fd.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// A descriptor for each queue; with the last of them the macvtap is gone. Throws SystemError or Error
/// (HostCannot). The process has one thread.
std::vector<Fd> open_macvtap(const OpenTap& tap);

}  // namespace qvm::launch
