// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_tap.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/sugar_net.hpp"

namespace qvm::config {
namespace {

/// Keys that name an interface.
constexpr std::array<std::string_view, 3> names{"ifname", "bridge", "parent"};

/// net/core/dev.c: dev_valid_name(); in a name with '%' the kernel fills in a number.
bool is_interface_name(std::string_view name) {
    constexpr std::size_t longest = 15;  // IFNAMSIZ, with its NUL
    return !name.empty() && name.size() <= longest && name != "." && name != ".." &&
           name.find_first_of("/:% \t\n\v\f\r") == std::string_view::npos;
}

/// True if it is fit.
bool check_name(Lowering& lowering, const Item& item, std::string_view key) {
    const auto name = item.text(key);
    if (!name || is_interface_name(*name)) return name.has_value();
    lowering.report(
        DiagnosticKind::BadValue, item.origin_of(key),
        fmt::format("'{}' cannot be the name of {}", *name, key == "bridge" ? "a bridge" : "an interface"),
        {"the kernel takes up to 15 characters, without '/', ':', '%' and blanks",
         fmt::format("in {}.{}", item.where, key)});
    return false;
}

/// The kernel's half is one of virtio nics alone.
void lower_vhost(Lowering& lowering, const Item& net, std::int64_t queues, Members& netdev) {
    if (!net.text("model").value_or("virtio").starts_with("virtio")) return;
    const Table* over = net.inner("netdev");
    if (over != nullptr) {
        const Value* said = over->find("vhost");
        const bool refused = said != nullptr && said->boolean() != nullptr && !*said->boolean();
        if (refused || over->find("vhostfd") != nullptr || over->find("vhostfds") != nullptr) return;
    }
    const std::string id = vhost_id(net.id);
    Members host(net.origin);
    host.put("kind", std::string("file")).put("path", std::string("/dev/vhost-net"));
    if (queues > 1) host.put("count", queues);
    lowering.add(Kind::Host, id, std::move(host), net);
    // Of no origin: nobody has asked for it, and where it cannot be had the nic does without.
    netdev.put("vhost", true, Origin()).put(queues > 1 ? "vhostfds" : "vhostfd", '@' + id);
}

}  // namespace

std::string vhost_id(std::string_view net) {
    return fmt::format("{}.vhost", net);
}

namespace {

struct Needed {
    std::string_view type, key, advice;
};
constexpr std::array needed_keys{
    Needed{"tap", "ifname", "say which tap interface it uses, or is to make: ifname = \"tap0\""},
    Needed{"bridge", "bridge", "say which bridge of this host it joins: bridge = \"br0\""},
    Needed{"macvtap", "parent", "say which interface of this host it is beside: parent = \"eth0\""},
};

}  // namespace

void lower_tap(Lowering& lowering, const Item& net, const std::string& mac) {
    const auto type = net.text("type");
    for (const auto& needed : needed_keys)
        if (type == needed.type && !net.says(needed.key))
            lowering.report(DiagnosticKind::Missing, net.origin,
                            fmt::format("{} has no {}", net.where, needed.key), {std::string(needed.advice)});
    for (const auto key : names) check_name(lowering, net, key);
    const auto queues = net.number("queues").value_or(1);
    const std::string id = net.id + ".tap";
    Members host(net.origin_of("type"));
    host.put("kind", std::string("tap"));
    for (const auto key : names) host.copy(std::string(key), *net.table, key);
    if (type == "macvtap") host.put("mac", mac, net.origin_of("mac"));
    if (queues > 1) host.copy("queues", *net.table, "queues");
    host.copy("mtu", *net.table, "mtu");
    lowering.add(Kind::Host, id, std::move(host), net);

    Members netdev(net.origin_of("type"));
    netdev.put("type", std::string("tap")).put(queues > 1 ? "fds" : "fd", '@' + id);
    lower_vhost(lowering, net, queues, netdev);
    lowering.add(Kind::Netdev, net.id, std::move(netdev), net, "netdev");
}

void check_tap(Lowering& lowering, const Item& host) {
    for (const auto key : names) check_name(lowering, host, key);
    if (std::ranges::none_of(names, [&](auto key) { return host.says(key); }))
        lowering.report(
            DiagnosticKind::Missing, host.origin,
            fmt::format("{} has neither ifname nor bridge nor parent", host.where),
            {"ifname = \"tap0\" is the interface; bridge = \"br0\" makes one in that bridge; parent = "
             "\"eth0\" makes a macvtap"});
    const bool macvtap = host.says("parent");
    if (macvtap && (host.says("ifname") || host.says("bridge")))
        lowering.report(DiagnosticKind::Conflict, host.origin_of("parent"),
                        fmt::format("{}: a macvtap over parent has neither ifname nor bridge", host.where));
    if (macvtap != host.says("mac"))
        lowering.report(macvtap ? DiagnosticKind::Missing : DiagnosticKind::Conflict, host.origin_of("mac"),
                        macvtap ? fmt::format("{} has no mac", host.where)
                                : fmt::format("{}: mac is of a macvtap, with parent", host.where),
                        {"a macvtap has the address of the nic that is on it"});
    if (const auto mac = host.text("mac"); mac && !is_mac(*mac))
        lowering.report(DiagnosticKind::BadValue, host.origin_of("mac"),
                        fmt::format("'{}' cannot be the MAC address of a nic", *mac),
                        {"write six bytes in hex, as in \"52:54:00:12:34:56\""});
}

}  // namespace qvm::config
