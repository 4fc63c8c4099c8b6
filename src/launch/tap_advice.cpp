// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/tap_advice.hpp"

#include <cerrno>
#include <unistd.h>

#include <fmt/format.h>

#include "launch/interface.hpp"
#include "launch/tap.hpp"

namespace qvm::launch {

std::string tun_advice(int error) {
    if (error == EACCES || error == EPERM)
        return "`chmod 666 /dev/net/tun` as root lets everyone open it: which interface one gets is asked "
               "later";
    return "`modprobe tun` as root makes it";
}

std::string how_to_make_tap(const std::string& name, bool several) {
    return fmt::format(
        "`ip tuntap add dev {0} mode tap user {1}{2} && ip link set {0} up` as root makes it "
        "yours",
        name, ::geteuid(), several ? " multi_queue" : "");
}

std::string tap_advice(const std::string& name, int error, bool several) {
    if (error == EBUSY) return "another program has it open";
    const auto there = look_at_interface(name);
    if (there && !there->is_tap()) return "there is an interface of that name, which is no tap";
    if (there && error == EINVAL)
        return several ? fmt::format("it was made without multi_queue: `ip link del {}` as root, then {}",
                                     name, how_to_make_tap(name, true))
                       : "it was made with multi_queue: say queues = 2 or more";
    if (there) return "it is somebody else's: `ip -d link show " + name + "` tells whose";
    return how_to_make_tap(name, several);
}

std::string bridge_advice(const std::string& bridge) {
    return fmt::format("`ip link add name {0} type bridge && ip link set {0} up` as root makes one", bridge);
}

std::string helper_advice(const std::string& bridge) {
    const auto helper = find_bridge_helper();
    if (!helper)
        return "`apt install qemu-system-common` has it, which puts taps into bridges for users; or start "
               "the "
               "VM as root";
    return fmt::format("as root: `chmod u+s {}`, and a line `allow {}` in /etc/qemu/bridge.conf",
                       helper->string(), bridge);
}

}  // namespace qvm::launch
