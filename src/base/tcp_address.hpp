// SPDX-License-Identifier: GPL-3.0-or-later
// An address of this host that can be listened on: "127.0.0.1:5901", "[::1]:5901".
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace qvm {

struct TcpAddress {
    std::string host;  ///< numeric, without brackets
    std::uint16_t port = 0;

    /// True if only this host reaches it.
    bool is_loopback() const;
    std::string to_string() const;
};

/// Nothing if `text` is none: no names are looked up, and the port is at least 1.
std::optional<TcpAddress> parse_tcp_address(std::string_view text);

/// socket, bind (also where connections of one that listened before are still closing), listen;
/// close-on-exec. Throws SystemError (HostCannot) naming the address.
Fd listen_tcp(const TcpAddress& address);

/// A connected socket. Throws SystemError naming the address, also (ETIMEDOUT) when nobody has answered
/// within `timeout`.
Fd connect_tcp(const TcpAddress& address, std::chrono::milliseconds timeout);

}  // namespace qvm
