// SPDX-License-Identifier: GPL-3.0-or-later
// The helper processes that serve a VM's QEMU: each profile's jail, and what it needs of this host.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "jail/spec.hpp"
#include "launch/jail_uids.hpp"
#include "launch/plan.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// The directory in a VM's state directory in which its TPM keeps its state.
inline constexpr const char* tpm_directory = "tpm";

/// Where a strict jail has the directory that a helper uses, and its descriptor in a reduced one.
inline constexpr const char* directory_in_jail = "/state";
inline constexpr int directory_number = 4;

/// Whom the virtiofsd of a directory runs as. As root (`ids`: the VM's) the directory's owner, so that what
/// the guest makes there is his, too; where that is root, the VM's uid.
std::optional<HostIds> owner_of(const std::filesystem::path& directory, const std::optional<HostIds>& ids);

/// The helper's program. Throws Error (HostCannot) that tells how to get it.
std::filesystem::path find_helper(const StartProcess& process);

/// A helper that can be started.
struct Helper {
    jail::Spec spec;  ///< without stub
    Fd directory;     ///< what it writes to, which `spec` may borrow
};

/// `socket` (borrowed): its end of the socket pair. As root it runs as `ids`, and the directory it writes to
/// is made theirs. Throws Error when its program is missing, or the host lacks what it needs.
Helper prepare_helper(const std::string& name, const StartProcess& process, int socket, const VmState& state,
                      const std::optional<HostIds>& ids, bool reduced);

}  // namespace qvm::launch
