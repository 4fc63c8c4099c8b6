// SPDX-License-Identifier: GPL-3.0-or-later
// Interfaces, in a network of the test's own where it may have one.
#include "launch/tap.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "launch/interface.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

/// Runs it in a child with a new network; its result is 0, 1 if something was not as it should be, or 77
/// where there can be no such network, or not all that is to be in it.
int in_a_new_network(int (*test)()) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNET) != 0 || ::access("/dev/net/tun", R_OK | W_OK) != 0) ::_exit(77);
        int result = 1;
        try {
            result = test();
        } catch (const std::exception&) {
        }
        ::_exit(result);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

bool skipped(int result) {
    if (result == 77)
        WARN("skipped: it takes root, /dev/net/tun, and for a macvtap its module and a devtmpfs");
    return result == 77;
}

int make_queues() {
    OpenTap tap;
    tap.ifname = "many";
    tap.queues = 3;
    tap.mtu = 1400;
    {
        const auto queues = open_tap(tap);
        const auto there = look_at_interface("many");
        if (queues.size() != 3 || !there || !there->is_tap() || !there->up || there->mtu != 1400) return 1;
        try {
            open_tap(tap);
            return 1;
        } catch (const Error& error) {
            if (std::string(error.what()) != "another program has the tap interface 'many' open") return 1;
        }
    }
    return look_at_interface("many") ? 1 : 0;
}

int count_names() {
    OpenTap tap;
    const auto one = open_tap(tap), other = open_tap(tap);
    return look_at_interface("qvm0") && look_at_interface("qvm1") ? 0 : 1;
}

int refuse_what_is_no_tap() {
    OpenTap tap;
    tap.ifname = "lo";
    try {
        open_tap(tap);
    } catch (const Error& error) {
        return error.advice() == "there is an interface of that name, which is no tap" ? 0 : 1;
    }
    return 1;
}

int make_macvtap_over() {
    OpenTap below;
    below.ifname = "below";
    const auto parent = open_tap(below);
    OpenTap tap;
    tap.parent = "below";
    tap.mac = "52:54:00:00:00:01";
    tap.queues = 2;
    {
        std::vector<Fd> queues;
        try {
            queues = open_tap(tap);
        } catch (const SystemError& error) {
            const int why = error.error().value();
            return why == EOPNOTSUPP || why == ENOENT ? 77 : 1;  // no module, or no devtmpfs
        }
        // It is nowhere to be seen, and its address is taken.
        if (queues.size() != 2 || look_at_interface("qvm" + std::to_string(::getpid()))) return 1;
        try {
            open_tap(tap);
            return 1;
        } catch (const Error& error) {
            if (std::string(error.what()) !=
                "another nic over 'below' has the address 52:54:00:00:00:01 already")
                return 1;
        }
    }
    return open_tap(tap).size() == 2 ? 0 : 1;
}

config::Vm vm_with_vhost(bool asked) {
    config::Vm vm;
    vm.machine.accel.value = {"tcg"};
    const Origin origin =
        asked ? Origin{std::make_shared<const std::string>("a.toml"), 1, 1, 1, {}} : Origin();
    config::Table netdev, host;
    netdev.set("type", {}, config::Value(std::string("tap"), {}));
    netdev.set("vhost", {}, config::Value(true, origin));
    netdev.set("vhostfd", {}, config::Value(std::string("@lan.vhost"), {}));
    host.set("kind", {}, config::Value(std::string("file"), {}));
    vm.resources.push_back(
        {{config::Kind::Host, "lan.vhost"}, config::Value(std::move(host), {}), {}, {}, {}, "net.lan", {}});
    vm.resources.push_back(
        {{config::Kind::Netdev, "lan"}, config::Value(std::move(netdev), {}), {}, {}, {}, "net.lan", {}});
    return vm;
}

}  // namespace

TEST_CASE("a tap that is made is up, has its queues, is one program's, and goes with its descriptors") {
    const int result = in_a_new_network(make_queues);
    if (!skipped(result)) CHECK(result == 0);
}

TEST_CASE("the kernel counts the taps that have no name") {
    const int result = in_a_new_network(count_names);
    if (!skipped(result)) CHECK(result == 0);
}

TEST_CASE("a macvtap is in no network of the host's, and goes with its descriptors") {
    const int result = in_a_new_network(make_macvtap_over);
    if (!skipped(result)) CHECK(result == 0);
}

TEST_CASE("an interface that is no tap is not opened") {
    const int result = in_a_new_network(refuse_what_is_no_tap);
    if (!skipped(result)) CHECK(result == 0);
}

TEST_CASE("a bridge that is not there is named, with what makes one") {
    OpenTap tap;
    tap.bridge = "qvm-no-bridge";
    try {
        open_tap(tap);
        FAIL("it was opened");
    } catch (const Error& error) {
        CHECK(std::string(error.what()) == "there is no bridge 'qvm-no-bridge'");
        CHECK_THAT(error.advice(), ContainsSubstring("ip link add name qvm-no-bridge type bridge"));
        CHECK(error.exit_code() == ExitCode::HostCannot);
    }
}

TEST_CASE("emulated processors do without vhost-net, unless the file asks for it") {
    config::Vm vm = vm_with_vhost(false);
    place_vhost(vm);
    REQUIRE(vm.resources.size() == 1);
    CHECK(*vm.resources[0].properties.table()->find("vhost")->boolean() == false);
    CHECK(vm.resources[0].properties.table()->find("vhostfd") == nullptr);

    vm = vm_with_vhost(true);
    place_vhost(vm);
    CHECK(vm.resources.size() == 2);
}
