// SPDX-License-Identifier: GPL-3.0-or-later
// Programs of the host, as the shell would find them.
#pragma once
#include <filesystem>
#include <string>

namespace qvm::launch {

/// The absolute path of `program`: itself if it has a '/', else the first executable of that name in PATH.
/// Throws Error (HostCannot) that tells to install `package`.
std::filesystem::path find_program(const std::string& program, const std::string& package);

/// The QEMU of a VM that names none: "qemu-system-x86_64" on such a machine (uname(2)).
std::string usual_qemu();

}  // namespace qvm::launch
