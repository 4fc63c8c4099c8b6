// SPDX-License-Identifier: GPL-3.0-or-later
// What Landlock leaves of a jail's paths: from a Spec, so that it can be shown before anything runs.
#pragma once
#include <vector>

#include "jail/landlock.hpp"
#include "jail/spec.hpp"

namespace qvm::jail {

/// Paths are as seen in the jail; a reduced one has an entry for each thing of the host that it may use.
/// `executable`: what is executed, open (borrowed), or -1; its ELF interpreter is named, too. The executable
/// itself is no path: restrict_paths() gets it as a descriptor.
std::vector<PathRule> path_rules(const Spec& spec, int executable);

/// What is forbidden beside paths.
LandlockScope landlock_scope(const Spec& spec) noexcept;

}  // namespace qvm::jail
