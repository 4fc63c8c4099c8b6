// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/interface.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm::launch {
namespace {

/// `name` is shorter than IFNAMSIZ.
ifreq request_for(const std::string& name) {
    ifreq request{};
    std::ranges::copy_n(name.begin(),
                        static_cast<std::ptrdiff_t>(std::min<std::size_t>(name.size(), IFNAMSIZ - 1)),
                        request.ifr_name);
    return request;
}

void ask(const Fd& socket, unsigned long question, ifreq& request, const std::string& action) {
    if (::ioctl(socket.get(), question, &request) != 0)
        throw SystemError(action, errno, {}, ExitCode::HostCannot);
}

}  // namespace

Fd interface_socket() {
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) throw SystemError("make a socket", errno, {}, ExitCode::HostCannot);
    return socket;
}

std::optional<Interface> look_at_interface(const std::string& name) {
    const Fd socket = interface_socket();
    ifreq request = request_for(name);
    if (::ioctl(socket.get(), SIOCGIFINDEX, &request) != 0) return std::nullopt;
    Interface found;
    found.index = request.ifr_ifindex;
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0) {
        const auto flags = static_cast<unsigned short>(request.ifr_flags);
        found.up = (flags & IFF_UP) != 0;
        found.carrier = (flags & IFF_RUNNING) != 0;
    }
    if (::ioctl(socket.get(), SIOCGIFMTU, &request) == 0) found.mtu = static_cast<unsigned>(request.ifr_mtu);
    ethtool_drvinfo driver{};
    driver.cmd = ETHTOOL_GDRVINFO;
    request = request_for(name);
    request.ifr_data = reinterpret_cast<char*>(&driver);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) == 0) {
        found.driver = static_cast<const char*>(driver.driver);
        found.kind = static_cast<const char*>(driver.bus_info);
    }
    return found;
}

bool may_change_interfaces() {
    cap_t mine = cap_get_proc();
    cap_flag_value_t has = CAP_CLEAR;
    if (mine != nullptr) {
        cap_get_flag(mine, CAP_NET_ADMIN, CAP_EFFECTIVE, &has);
        cap_free(mine);
    }
    return has == CAP_SET;
}

void set_up(const std::string& name) {
    const Fd socket = interface_socket();
    const auto action = fmt::format("bring the interface '{}' up", name);
    ifreq request = request_for(name);
    ask(socket, SIOCGIFFLAGS, request, action);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    ask(socket, SIOCSIFFLAGS, request, action);
}

void set_mtu(const std::string& name, unsigned mtu) {
    ifreq request = request_for(name);
    request.ifr_mtu = static_cast<int>(mtu);
    ask(interface_socket(), SIOCSIFMTU, request, fmt::format("set the MTU of '{}' to {}", name, mtu));
}

void set_high_address(const std::string& name) {
    const Fd socket = interface_socket();
    const auto action = fmt::format("set the address of the interface '{}'", name);
    ifreq request = request_for(name);
    ask(socket, SIOCGIFHWADDR, request, action);
    request.ifr_hwaddr.sa_data[0] = static_cast<char>(0xfe);
    ask(socket, SIOCSIFHWADDR, request, action);
}

void add_to_bridge(const std::string& bridge, const std::string& name) {
    const auto port = look_at_interface(name);
    ifreq request = request_for(bridge);
    request.ifr_ifindex = port ? port->index : 0;
    ask(interface_socket(), SIOCBRADDIF, request,
        fmt::format("put the interface '{}' into the bridge '{}'", name, bridge));
}

}  // namespace qvm::launch
