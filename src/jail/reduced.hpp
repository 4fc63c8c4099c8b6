// SPDX-License-Identifier: GPL-3.0-or-later
// The reduced jail, for hosts that let nobody make namespaces. The process stays in the host's root and sees
// its files' names, processes and network interfaces. What it could do with these is up to the other parts:
// its uid, Landlock, and a filter that has no call for it.
#pragma once
#include <optional>
#include <sys/types.h>
#include <vector>

#include "base/fd.hpp"
#include "jail/spec.hpp"

namespace qvm::jail {

/// Makes the Spec of a strict jail that of a reduced one: without what needs a root of its own, and, for an
/// ordinary user, without a limit of processes. Its filter is not touched.
void reduce(Spec& spec);

/// As root: the one group that a reduced jail with /dev/kvm needs to open it; nothing if everyone may open
/// it, or nobody but root.
std::optional<gid_t> group_of_kvm();
/// Is /dev/kvm closed to the reduced jails of root?
bool is_kvm_roots_alone();

/// The copies of `spec` as sealed files in memory that everyone may read, with the numbers they are to have.
/// Throws SystemError.
std::vector<Fd> copies_in_memory(const Spec& spec);

/// Can `uid` make a user namespace here, and mount in it? Tries it in a process of its own. passt needs it.
bool may_make_namespaces(uid_t uid);

}  // namespace qvm::jail
