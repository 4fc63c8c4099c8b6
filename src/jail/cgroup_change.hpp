// SPDX-License-Identifier: GPL-3.0-or-later
// Other limits for a group that has processes.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "jail/cgroup.hpp"

namespace qvm::jail {

/// The controllers that the group has, as version 2 calls them: "memory", "cpu", "pids", "io". In version 1
/// these are the ones that it was made with limits of.
std::set<std::string> controllers_of(const CgroupRecord& record);

/// What is to be written, in the order to write, where `before` is in force and `after` is to be.
std::vector<CgroupWrite> writes_for_change(const CgroupLimits& before, const CgroupLimits& after,
                                           int version);

/// Puts `after` in force. Throws Error; then `before` is in force again, as far as the kernel lets it.
/// A limit of memory below what is used is an error: version 2 would end QEMU for it.
void change_limits(const CgroupRecord& record, const CgroupLimits& before, const CgroupLimits& after);

}  // namespace qvm::jail
