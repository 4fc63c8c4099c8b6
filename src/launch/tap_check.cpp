// SPDX-License-Identifier: GPL-3.0-or-later
// Taps before the start: what is missing on this host, and whether vhost-net is there.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <set>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/host_uses.hpp"
#include "config/rules_buses.hpp"
#include "config/sugar_tap.hpp"
#include "launch/interface.hpp"
#include "launch/probe.hpp"
#include "launch/tap.hpp"
#include "launch/tap_advice.hpp"

namespace qvm::launch {
namespace {

using config::Kind;
using config::Resource;
using config::Table;
using config::Value;

class TapChecker {
  public:
    TapChecker(const Resource& host, Diagnostics& diagnostics)
        : table_(*host.properties.table()),
          where_("in " + host.made_by),
          several_(config::descriptors_of(host) > 1),
          diagnostics_(diagnostics) {}

    void run() {
        if (const Value* parent = table_.find("parent")) {
            check_parent(*parent);
            return;
        }
        const Value* bridge = table_.find("bridge");
        const Value* ifname = table_.find("ifname");
        const bool by_helper = bridge != nullptr && !may_change_interfaces();
        if (!by_helper && ::access("/dev/net/tun", R_OK | W_OK) != 0)
            report(DiagnosticKind::FileMissing, (ifname != nullptr ? ifname : bridge)->origin,
                   fmt::format("cannot open '/dev/net/tun': {}", errno_text(errno)), tun_advice(errno));
        else if (bridge != nullptr)
            check_bridge(*bridge, ifname, by_helper);
        else if (ifname != nullptr)
            check_interface(*ifname);
    }

  private:
    void check_interface(const Value& ifname) {
        const std::string& name = *ifname.string();
        const auto there = look_at_interface(name);
        if (!there && !may_change_interfaces())
            report(DiagnosticKind::FileMissing, ifname.origin,
                   fmt::format("there is no interface '{}', and only root can make one", name),
                   how_to_make_tap(name, several_));
        if (!there) return;
        if (!there->is_tap())
            report(DiagnosticKind::BadValue, ifname.origin, fmt::format("the interface '{}' is no tap", name),
                   fmt::format("it is {}; `ip tuntap` lists those that are",
                               there->driver.empty() ? "of another kind" : "a " + there->driver));
        else if (!there->up)
            report(DiagnosticKind::Unused, ifname.origin,
                   fmt::format("the interface '{}' is down, so nothing passes it", name),
                   fmt::format("`ip link set {} up` as root changes that", name));
    }

    void check_parent(const Value& parent) {
        const std::string& name = *parent.string();
        const auto there = look_at_interface(name);
        if (!there)
            report(DiagnosticKind::FileMissing, parent.origin,
                   fmt::format("there is no interface '{}'", name), "`ip link` lists those that are");
        else if (!may_change_interfaces())
            report(DiagnosticKind::FileMissing, parent.origin,
                   fmt::format("only root can make a macvtap over '{}'", name),
                   "start the VM as root; type = \"user\" needs no privileges");
        else if (!there->up)
            report(DiagnosticKind::Unused, parent.origin,
                   fmt::format("the interface '{}' is down, so nothing passes it", name),
                   fmt::format("`ip link set {} up` as root changes that", name));
    }

    void check_bridge(const Value& bridge, const Value* ifname, bool by_helper) {
        const std::string& name = *bridge.string();
        const auto there = look_at_interface(name);
        if (!there) {
            report(DiagnosticKind::FileMissing, bridge.origin, fmt::format("there is no bridge '{}'", name),
                   bridge_advice(name));
            return;
        }
        if (there->driver != "bridge") {
            report(DiagnosticKind::BadValue, bridge.origin,
                   fmt::format("the interface '{}' is no bridge", name),
                   there->driver == "openvswitch"
                       ? "a bridge of Open vSwitch takes a tap made beforehand: type = \"tap\""
                       : "`ip link show type bridge` lists those that are");
            return;
        }
        if (!there->up)
            report(DiagnosticKind::Unused, bridge.origin,
                   fmt::format("the bridge '{}' is down, so nothing passes it", name),
                   fmt::format("`ip link set {} up` as root changes that", name));
        if (by_helper) check_helper(name, bridge.origin, ifname);
    }

    void check_helper(const std::string& bridge, const Origin& origin, const Value* ifname) {
        const auto helper = find_bridge_helper();
        struct stat status {};
        if (!helper)
            report(DiagnosticKind::FileMissing, origin,
                   "only root can put an interface into a bridge, and there is no qemu-bridge-helper",
                   helper_advice(bridge));
        else if (::stat(helper->c_str(), &status) == 0 && (status.st_mode & S_ISUID) == 0)
            report(DiagnosticKind::FileMissing, origin,
                   fmt::format("only root can put an interface into a bridge, and '{}' does not run as root",
                               helper->string()),
                   helper_advice(bridge));
        else if (ifname != nullptr || several_)
            report(DiagnosticKind::Conflict, ifname != nullptr ? ifname->origin : origin,
                   fmt::format("'{}' makes one tap, of one queue, and names it itself", helper->string()),
                   fmt::format("leave out {}, or start the VM as root",
                               ifname != nullptr ? "ifname" : "queues"));
    }

    void report(DiagnosticKind kind, const Origin& origin, std::string message, std::string advice) {
        diagnostics_.add({kind, origin, std::move(message), {}, {std::move(advice), where_}});
    }

    const Table& table_;
    std::string where_;
    bool several_;
    Diagnostics& diagnostics_;
};

/// Whether nobody asked for it.
bool is_default(const Resource& netdev) {
    const Value* vhost = netdev.properties.table()->find("vhost");
    return netdev.id.kind == Kind::Netdev && vhost != nullptr && !vhost->origin.known() &&
           netdev.made_by == "net." + netdev.id.id;
}

bool is_emulated(const config::Vm& vm) {
    std::string notice;
    try {
        return choose_accelerator(vm.machine.accel.value, vm.jail_mode.value, notice) == "tcg";
    } catch (const Error&) {
        return false;  // told by who starts it
    }
}

}  // namespace

void check_tap(const Resource& host, Diagnostics& diagnostics) {
    const Table* table = host.properties.table();
    const auto says = [&](const char* key) { return config::text_at(host, key) != nullptr; };
    if (!says("ifname") && !says("bridge") && !says("parent")) return;
    if (table != nullptr) TapChecker(host, diagnostics).run();
}

void place_vhost(config::Vm& vm) {
    if (std::ranges::none_of(vm.resources, is_default)) return;
    const Fd device(::open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
    if (device && !is_emulated(vm)) return;
    std::set<std::string> gone;
    for (Resource& netdev : vm.resources) {
        if (!is_default(netdev)) continue;
        for (const char* member : {"vhostfd", "vhostfds"}) netdev.properties.table()->erase(member);
        netdev.properties.table()->find("vhost")->data = false;
        gone.insert(config::vhost_id(netdev.id.id));
    }
    std::erase_if(vm.resources,
                  [&](const Resource& r) { return r.id.kind == Kind::Host && gone.contains(r.id.id); });
}

}  // namespace qvm::launch
