// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_tap.hpp"

#include <fmt/format.h>

namespace qvm::config {
namespace {

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

void lower_tap(Lowering& lowering, const Item& net) {
    const bool bridged = net.text("type") == "bridge";
    const std::string_view needed = bridged ? "bridge" : "ifname";
    if (!net.says(needed))
        lowering.report(DiagnosticKind::Missing, net.origin, fmt::format("{} has no {}", net.where, needed),
                        {bridged ? "say which bridge of this host it joins: bridge = \"br0\""
                                 : "say which tap interface it uses, or is to make: ifname = \"tap0\""});
    for (const std::string_view key : {"ifname", "bridge"}) check_name(lowering, net, key);
    const auto queues = net.number("queues").value_or(1);
    const std::string id = net.id + ".tap";
    Members host(net.origin_of("type"));
    host.put("kind", std::string("tap"));
    for (const auto* key : {"ifname", "bridge"}) host.copy(key, *net.table, key);
    if (queues > 1) host.copy("queues", *net.table, "queues");
    host.copy("mtu", *net.table, "mtu");
    lowering.add(Kind::Host, id, std::move(host), net);

    Members netdev(net.origin_of("type"));
    netdev.put("type", std::string("tap")).put(queues > 1 ? "fds" : "fd", '@' + id);
    lower_vhost(lowering, net, queues, netdev);
    lowering.add(Kind::Netdev, net.id, std::move(netdev), net, "netdev");
}

void check_tap(Lowering& lowering, const Item& host) {
    for (const std::string_view key : {"ifname", "bridge"}) check_name(lowering, host, key);
    if (!host.says("ifname") && !host.says("bridge"))
        lowering.report(DiagnosticKind::Missing, host.origin,
                        fmt::format("{} has neither ifname nor bridge", host.where),
                        {"ifname = \"tap0\" is the interface; bridge = \"br0\" makes one in that bridge"});
}

}  // namespace qvm::config
