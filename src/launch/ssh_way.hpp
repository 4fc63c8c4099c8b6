// SPDX-License-Identifier: GPL-3.0-or-later
// How this host gets to the SSH server of a guest: through a forward of a [net.X] with type = "user".
#pragma once
#include <optional>
#include <string>

#include "config/resource.hpp"

namespace qvm::launch {

struct SshWay {
    std::string address;  ///< of this host
    unsigned port = 0;    ///< that leads to the guest's port 22
    std::string user;     ///< whom cloud-init lets in; empty: it says none
};

/// The first such forward; nothing if it has none. Pure.
std::optional<SshWay> ssh_way(const config::Vm& vm);

}  // namespace qvm::launch
