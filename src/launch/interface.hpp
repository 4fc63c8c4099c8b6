// SPDX-License-Identifier: GPL-3.0-or-later
// The network interfaces of this host, those of the network namespace that qvm runs in.
#pragma once
#include <optional>
#include <string>

#include "base/fd.hpp"

namespace qvm::launch {

struct Interface {
    int index = 0;
    bool up = false;
    bool carrier = false;  ///< of a tap: somebody has it open
    unsigned mtu = 0;
    std::string driver;  ///< "tun", "bridge", "openvswitch"; empty if it does not say
    std::string kind;    ///< of driver tun: "tap" or "tun"
    bool is_tap() const { return driver == "tun" && kind == "tap"; }
};

/// Nothing if there is none of that name.
std::optional<Interface> look_at_interface(const std::string& name);

/// CAP_NET_ADMIN: whether interfaces can be made and changed.
bool may_change_interfaces();

// These throw SystemError (HostCannot).

/// A socket for questions about interfaces.
Fd interface_socket();
void set_up(const std::string& name);
void set_mtu(const std::string& name, unsigned mtu);
/// As the bridges of Linux want it: the address of one is the lowest of its ports', unless these are high.
void set_high_address(const std::string& name);
void add_to_bridge(const std::string& bridge, const std::string& name);

}  // namespace qvm::launch
