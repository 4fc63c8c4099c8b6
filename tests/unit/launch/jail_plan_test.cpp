// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_plan.hpp"

#include <algorithm>

#include "jail/filter.hpp"
#include "jail/reduced.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

/// A console that is inherited, and a disk that is added over QMP.
Plan plan() {
    Plan plan;
    plan.vm = "web";
    const auto add = [&](auto action) { plan.steps.emplace_back().action = std::move(action); };
    add(HostStep{"host.disk", OpenFile{.path = "/images/a.qcow2"}});
    add(HostStep{"host.console", ListenSocket{.path = {}, .in_runtime = "console.sock"}});
    add(InheritStep{"host.console", 11});
    add(QmpStep{"add-fd", Json::object({{"fdset-id", 3}}), "host.disk"});
    return plan;
}

jail::Spec spec() {
    jail::Spec spec;
    spec.name = "web";
    spec.executable = "/nonexistent/qemu";
    spec.argv = {"qemu", "-S"};
    spec.env = {"HOME=/"};
    spec.binds = {{.source = "/usr", .target = "/usr", .executable = true}};
    spec.limits = {{RLIMIT_CORE, 0}};
    spec.filter = jail::qemu_filter(1000);
    spec.host_uid = 70000;
    return spec;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a jail's plan as JSON tells each part") {
    const auto json = JailPlan(plan(), spec(), jail::Violation::Log, 4).to_json();
    CHECK(json.at("uid").at("outside") == 70000);
    CHECK(json.at("namespaces").at("net") == "new");
    CHECK(json.at("limits").at("RLIMIT_CORE") == 0);
    CHECK(json.at("limits").at("RLIMIT_NOFILE") == 1000);
    CHECK(json.at("seccomp").at("other-calls") == "EPERM, logged");
    CHECK(json.at("landlock").at("mode") == "auto");
    CHECK(json.at("landlock").at("host-abi") == 4);
    CHECK(json.at("landlock").at("tcp") == "refused");
    CHECK(json.at("landlock").at("paths").at(0).at("rights") == Json::array({"read_file", "read_dir"}));
    const auto& fds = json.at("fds");
    REQUIRE(fds.size() == 2);
    CHECK(fds.at(0).at("number") == "11");
    CHECK(fds.at(1).at("number") == "add-fd set 3");
    CHECK(fds.at(1).at("what") == "/images/a.qcow2");
}

TEST_CASE("root's devices are new ones in one mount") {
    auto with_devices = spec();
    with_devices.devices = {jail::Device::Null, jail::Device::Urandom};
    JailPlan jail(plan(), with_devices, jail::Violation::Errno, std::nullopt);
    CHECK(has(jail.to_text(), "/dev/urandom"));
    jail.make_devices_anew();
    CHECK(jail.to_json().at("mounts").back() == Json::object({{"source", "a new tmpfs: null urandom"},
                                                              {"target", "/dev"},
                                                              {"options", "ro,nosuid,noexec"}}));
}

TEST_CASE("a reduced jail's plan says what is the host's") {
    auto reduced = spec();
    reduced.filter = jail::qemu_filter(1000, jail::Violation::Errno, {.mode = jail::Mode::Reduced});
    jail::reduce(reduced);
    const JailPlan jail(plan(), reduced, jail::Violation::Errno, 4, {.mode = jail::Mode::Reduced});
    const auto json = jail.to_json();
    CHECK(json.at("mode") == "reduced");
    CHECK(json.at("root") == "the host's");
    CHECK(json.at("namespaces").at("user") == "host");
    CHECK(json.at("mounts").empty());
    CHECK_FALSE(json.at("uid").contains("inside"));
    CHECK(json.at("landlock").at("paths").at(0).at("path") == "/usr");
    const auto text = jail.to_text();
    CHECK(has(text, "web: the reduced jail"));
    CHECK(has(text, "none: it sees the host's processes"));
    CHECK(has(text, "what Landlock leaves of it"));
    CHECK(has(text, "tgkill(tgid = its own)"));
    CHECK(has(text, "socketpair(domain = AF_UNIX, type & 0xf = SOCK_STREAM)"));
    CHECK(json.at("landlock").at("tcp") == "refused");
    CHECK_FALSE(has(text, "AF_INET"));
}

TEST_CASE("a reduced jail's plan tells of the host's network") {
    const jail::FilterOptions options{.mode = jail::Mode::Reduced, .internet = true};
    auto reduced = spec();
    reduced.filter = jail::qemu_filter(1000, jail::Violation::Errno, options);
    reduced.internet = true;
    jail::reduce(reduced);
    const JailPlan jail(plan(), reduced, jail::Violation::Errno, 4, options);
    CHECK(jail.to_json().at("landlock").at("tcp") == "allowed");
    const auto text = jail.to_text();
    CHECK(has(text, "network interfaces, and may use the network"));
    CHECK(has(text, "socket(domain = AF_INET, type & 0xf = SOCK_STREAM"));
}

TEST_CASE("a jail's plan for readers tells of Landlock and of calls that are in no list") {
    auto text = JailPlan(plan(), spec(), jail::Violation::Kill, 0).to_text();
    CHECK(has(text, "this kernel has none"));
    CHECK(has(text, "a call that is not listed ends QEMU"));
    CHECK(has(text, "/images/a.qcow2"));
    CHECK(has(text, "70000 on the host, of this VM alone"));

    auto other = spec();
    other.landlock = jail::Landlock::Off;
    text = JailPlan(plan(), other, jail::Violation::Errno, std::nullopt).to_text();
    CHECK(has(text, "off: jail.landlock says so"));
    CHECK(has(text, "a call that is not listed answers EPERM"));

    other.mode = jail::Mode::Off;
    CHECK(has(JailPlan(plan(), other, jail::Violation::Errno, std::nullopt).to_text(), "no jail at all"));
}
