// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/tap.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "launch/interface.hpp"
#include "launch/macvtap.hpp"
#include "launch/run_program.hpp"
#include "launch/tap_advice.hpp"
#include "qmp/transport.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

constexpr const char* tun_device = "/dev/net/tun";
/// The kernel counts.
constexpr const char* own_name = "qvm%d";

/// What the bridge helper knows its end of the socket by.
constexpr int helper_number = 3;

[[noreturn]] void fail_to_open_tun(int error) {
    throw SystemError(fmt::format("open '{}'", tun_device), error, tun_advice(error), ExitCode::HostCannot);
}

/// The name that the interface has; of one that is made, perhaps the kernel's.
std::string attach(int fd, const std::string& name, bool several) {
    ifreq request{};
    request.ifr_flags =
        static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (several ? IFF_MULTI_QUEUE : 0));
    std::ranges::copy(name, request.ifr_name);
    if (::ioctl(fd, TUNSETIFF, &request) == 0) return static_cast<const char*>(request.ifr_name);
    const int error = errno;
    throw SystemError(fmt::format("open the tap interface '{}'", name), error,
                      tap_advice(name, error, several), ExitCode::HostCannot);
}

void configure(const std::string& name, const OpenTap& tap) {
    const auto bridge = look_at_interface(tap.bridge);
    // A port with a smaller one would make the bridge's smaller.
    if (const auto mtu = tap.mtu == 0 && bridge ? bridge->mtu : tap.mtu; mtu != 0) set_mtu(name, mtu);
    if (!tap.bridge.empty()) {
        set_high_address(name);
        add_to_bridge(tap.bridge, name);
    }
    set_up(name);
}

void refuse_missing_bridge(const OpenTap& tap) {
    if (tap.bridge.empty()) return;
    if (!look_at_interface(tap.bridge))
        throw Error(ExitCode::HostCannot, fmt::format("there is no bridge '{}'", tap.bridge),
                    bridge_advice(tap.bridge));
    if (!tap.ifname.empty() && look_at_interface(tap.ifname))
        throw Error(ExitCode::HostCannot, fmt::format("the interface '{}' is there already", tap.ifname),
                    fmt::format("type = \"tap\" uses it; type = \"bridge\" makes one and puts it into '{}'",
                                tap.bridge));
}

Fd open_tun() {
    return Fd(::open(tun_device, O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

std::vector<Fd> open_here(const OpenTap& tap) {
    const auto there = look_at_interface(tap.ifname);
    // The kernel lets several programs have a queue each of the same interface.
    if (there && there->is_tap() && there->carrier)
        throw Error(ExitCode::HostCannot,
                    fmt::format("another program has the tap interface '{}' open", tap.ifname),
                    "give each VM its own");
    std::vector<Fd> queues;
    std::string name = tap.ifname.empty() ? own_name : tap.ifname;
    while (queues.size() < tap.queues) {
        Fd fd = open_tun();
        if (!fd) fail_to_open_tun(errno);
        name = attach(fd.get(), name, tap.queues > 1);
        queues.push_back(std::move(fd));
    }
    if (!there) configure(name, tap);
    return queues;
}

/// As a user: the helper has the right to, and asks its list whether we may.
Fd open_by_helper(const OpenTap& tap) {
    const auto helper = find_bridge_helper();
    if (!helper)
        throw Error(ExitCode::HostCannot, "there is no qemu-bridge-helper", helper_advice(tap.bridge));
    if (tap.queues > 1 || !tap.ifname.empty())
        throw Error(ExitCode::HostCannot,
                    fmt::format("'{}' makes one tap, of one queue, and names it itself", helper->string()),
                    tap.queues > 1 ? "leave out queues, or start the VM as root"
                                   : "leave out ifname, or start the VM as root");
    const SocketPair pair(SOCK_STREAM);
    const auto end = run_program(
        *helper,
        {helper->string(), "--use-vnet", fmt::format("--fd={}", helper_number), "--br=" + tap.bridge},
        {{pair.second.get(), helper_number}});
    std::string bytes;
    std::vector<Fd> fds;
    bool none = false;
    if (end.succeeded()) qmp::receive_some(pair.first.get(), bytes, fds, none);
    if (fds.size() == 1) return std::move(fds.front());
    const auto last = end.said.find_last_not_of('\n');
    throw Error(ExitCode::HostCannot,
                fmt::format("'{}' made no tap in the bridge '{}': {}", helper->string(), tap.bridge,
                            last == std::string::npos ? "it said nothing"
                                                      : escape_controls(end.said.substr(0, last + 1))),
                helper_advice(tap.bridge));
}

bool may_make_taps() {
    return may_change_interfaces() && ::access(tun_device, R_OK | W_OK) == 0;
}

}  // namespace

std::optional<fs::path> find_bridge_helper() {
    for (const char* place : {"/usr/lib/qemu", "/usr/libexec", "/usr/lib/qemu-kvm", "/usr/local/libexec"}) {
        const auto path = fs::path(place) / "qemu-bridge-helper";
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return std::nullopt;
}

std::vector<Fd> open_tap(const OpenTap& tap) {
    if (std::max(tap.ifname.size(), tap.bridge.size()) >= IFNAMSIZ)
        throw Error(ExitCode::Invalid,
                    fmt::format("'{}' is too long for the name of a network interface",
                                tap.ifname.size() >= IFNAMSIZ ? tap.ifname : tap.bridge),
                    fmt::format("at most {} characters", IFNAMSIZ - 1));
    if (!tap.parent.empty()) return open_macvtap(tap);
    refuse_missing_bridge(tap);
    if (tap.bridge.empty() || may_make_taps()) return open_here(tap);
    std::vector<Fd> one;
    one.push_back(open_by_helper(tap));
    return one;
}

}  // namespace qvm::launch
