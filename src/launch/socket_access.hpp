// SPDX-License-Identifier: GPL-3.0-or-later
// Whether QEMU, which runs as somebody else, will be able to connect to a socket of this host.
#pragma once
#include <filesystem>
#include <optional>

#include "launch/jail_uids.hpp"

namespace qvm::launch {

/// Throws Error (HostCannot) when a process of `ids` may not write to the socket. Directories above it do not
/// count: the jail has the socket alone. Without `ids` QEMU has the caller's rights, which check_host() has
/// looked at.
void expect_connectable(const std::filesystem::path& socket, const std::optional<HostIds>& ids);

}  // namespace qvm::launch
