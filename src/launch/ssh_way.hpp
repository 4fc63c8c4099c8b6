// SPDX-License-Identifier: GPL-3.0-or-later
// How this host gets to the SSH server of a guest: through a forward of a [net.X] with type = "user", or by
// vsock, on which a guest with systemd 256 or newer has one.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "config/resource.hpp"

namespace qvm::launch {

struct SshWay {
    std::string address;    ///< of this host
    unsigned port = 0;      ///< that leads to the guest's port 22
    std::string user;       ///< whom cloud-init lets in; empty: it says none
    std::uint32_t cid = 0;  ///< by vsock, if it is not 0: then there is no address

    bool by_vsock() const { return cid != 0; }
};

/// The first such forward, else vsock; nothing if it has neither. Pure.
std::optional<SshWay> ssh_way(const config::Vm& vm);

/// A connection. Throws SystemError.
Fd connect(const SshWay& way, std::chrono::milliseconds timeout);

}  // namespace qvm::launch
