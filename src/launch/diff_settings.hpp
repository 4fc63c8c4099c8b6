// SPDX-License-Identifier: GPL-3.0-or-later
// The part of a difference that is about the VM as a whole.
#pragma once
#include <vector>

#include "launch/diff.hpp"

namespace qvm::launch {

/// Key by key of Compiled::settings; not the links of network devices, which belong to these.
std::vector<Change> diff_settings(const Side& running, const Side& wanted);

}  // namespace qvm::launch
