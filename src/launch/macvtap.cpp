// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/macvtap.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "launch/interface.hpp"
#include "launch/netlink.hpp"

namespace qvm::launch {
namespace {

Fd present_network() {
    // Of this thread: it alone goes elsewhere.
    Fd network(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!network) throw SystemError("open '/proc/thread-self/ns/net'", errno, {}, ExitCode::HostCannot);
    return network;
}

/// In another network namespace as long as it lives.
class Elsewhere {
  public:
    /// In a new one.
    Elsewhere() : home_(present_network()) {
        if (::unshare(CLONE_NEWNET) != 0)
            throw SystemError("make a network namespace", errno, {}, ExitCode::HostCannot);
    }
    explicit Elsewhere(const Fd& network) : home_(present_network()) {
        if (::setns(network.get(), CLONE_NEWNET) != 0)
            throw SystemError("enter a network namespace", errno, {}, ExitCode::HostCannot);
    }
    Elsewhere(const Elsewhere&) = delete;
    Elsewhere& operator=(const Elsewhere&) = delete;
    ~Elsewhere() {
        // Whatever came next would be done in the wrong network.
        if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
    }

  private:
    Fd home_;
};

/// What is not whole in the end is taken away.
class Draft {
  public:
    Draft(const OpenTap& tap, int parent) : name_(fmt::format("qvm-m{}", ::getpid())) {
        make_macvtap(name_, parent, tap.mac);
        if (const auto made = look_at_interface(name_)) index_ = made->index;
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() {
        if (index_ != 0) remove_interface(index_);
    }
    const std::string& name() const { return name_; }
    int index() const { return index_; }
    void move_to(const Fd& network) {
        move_interface(name_, index_, network.get());
        index_ = 0;
    }

  private:
    std::string name_;
    int index_ = 0;
};

Fd open_queue(const Draft& macvtap, bool several) {
    const auto path = fmt::format("/dev/tap{}", macvtap.index());
    Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd)
        throw SystemError(fmt::format("open '{}'", path), errno,
                          "the kernel makes it, in a /dev that is a devtmpfs", ExitCode::HostCannot);
    ifreq request{};
    request.ifr_flags =
        static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (several ? IFF_MULTI_QUEUE : 0));
    if (::ioctl(fd.get(), TUNSETIFF, &request) != 0)
        throw SystemError(fmt::format("set up '{}'", path), errno, {}, ExitCode::HostCannot);
    ifreq its{};
    // Its number is that of the interface, and each network namespace counts for itself.
    if (::ioctl(fd.get(), TUNGETIFF, &its) != 0 || macvtap.name() != static_cast<const char*>(its.ifr_name))
        throw Error(ExitCode::HostCannot,
                    fmt::format("'{}' belongs to a macvtap of another network namespace", path),
                    "try again: the next has another number");
    return fd;
}

/// One that has just been closed is taken apart in the kernel's own time, and has its address until then.
void start(const std::string& name, const OpenTap& tap) {
    constexpr int most_tries = 40;
    constexpr useconds_t pause = 50'000;
    for (int tries = 1;; ++tries) {
        try {
            set_up(name);
            return;
        } catch (const SystemError& error) {
            const int why = error.error().value();
            if (why != EBUSY && why != EADDRINUSE) throw;
            if (tries == most_tries)
                throw Error(
                    ExitCode::HostCannot,
                    fmt::format("another nic over '{}' has the address {} already", tap.parent, tap.mac),
                    "give each its own: mac = \"52:54:00:12:34:56\"");
        }
        ::usleep(pause);
    }
}

}  // namespace

std::vector<Fd> open_macvtap(const OpenTap& tap) {
    const auto parent = look_at_interface(tap.parent);
    if (!parent)
        throw Error(ExitCode::HostCannot, fmt::format("there is no interface '{}'", tap.parent),
                    "`ip link` lists those that are");
    Draft macvtap(tap, parent->index);
    if (tap.mtu != 0) set_mtu(macvtap.name(), tap.mtu);
    std::vector<Fd> queues;
    Fd network;
    {
        const Elsewhere elsewhere;
        network = present_network();
        while (queues.size() < tap.queues) queues.push_back(open_queue(macvtap, tap.queues > 1));
    }
    macvtap.move_to(network);
    const Elsewhere elsewhere(network);
    start(macvtap.name(), tap);
    return queues;
}

}  // namespace qvm::launch
