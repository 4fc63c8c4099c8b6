// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_net.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "config/stable.hpp"
#include "config/sugar_tap.hpp"

namespace qvm::config {
namespace {

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

/// 0 when `text` is no port.
unsigned port_number(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port <= 65535 ? port : 0;
}

/// Its 4 or 16 bytes; none if `text` is no address.
std::string address_bytes(const std::string& text) {
    std::array<char, 16> bytes{};
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.data(), bytes.size()};
    return {};
}

/// 0.0.0.0 and :: are all addresses of their family.
bool is_any(const std::string& bytes) {
    return bytes.find_first_not_of('\0') == std::string::npos;
}

bool overlap(const Forward& a, const Forward& b) {
    const std::string one = address_bytes(a.address), other = address_bytes(b.address);
    const bool same_address = one == other || (one.size() == other.size() && (is_any(one) || is_any(other)));
    return a.udp == b.udp && same_address && a.first <= b.last && b.first <= a.last;
}

}  // namespace

bool is_mac(std::string_view text) {
    if (text.size() != 17) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (i % 3 == 2 ? c != ':' : !hex) return false;
    }
    return true;
}

namespace {

/// The forwards so far, of all nics: the host has each port once.
class TakenPorts {
  public:
    explicit TakenPorts(Lowering& lowering) : lowering_(lowering) {}

    void take(const Forward& forward, const Value& text, const Item& net) {
        const auto other =
            std::ranges::find_if(taken_, [&](const Taken& t) { return overlap(t.forward, forward); });
        if (other != taken_.end())
            lowering_.report(DiagnosticKind::Conflict, text.origin,
                             fmt::format("forward '{}' takes a port of this host that '{}' has already",
                                         *text.string(), other->text),
                             {fmt::format("{}.forward has it{}", other->where,
                                          other->origin.known() ? " at " + other->origin.to_string() : ""),
                              fmt::format("in {}.forward", net.where)});
        taken_.push_back({forward, *text.string(), net.where, text.origin});
    }

  private:
    struct Taken {
        Forward forward;
        std::string text, where;
        Origin origin;
    };
    Lowering& lowering_;
    std::vector<Taken> taken_;
};

/// passt(1). Its own default forwards nothing.
Array passt_command(Lowering& lowering, const Item& net, TakenPorts& taken) {
    Array command;
    const auto word = [&](std::string text, const Origin& origin) {
        command.emplace_back(Value::Data(std::move(text)), origin);
    };
    for (const auto* fixed : {"passt", "-f", "-q", "--fd", "{fd}"}) word(fixed, net.origin);
    // Without this, connections of the guest to its gateway reach services on the host's loopback.
    if (!net.flag("host-loopback").value_or(false)) word("--no-map-gw", net.origin_of("host-loopback"));
    if (const auto mtu = net.number("mtu")) {
        word("-m", net.origin_of("mtu"));
        word(std::to_string(*mtu), net.origin_of("mtu"));
    }
    const Value* forwards = net.value("forward");
    if (forwards == nullptr) return command;
    for (const auto& text : *forwards->array()) {
        const auto parsed = parse_forward(*text.string());
        if (const auto* forward = std::get_if<Forward>(&parsed)) {
            taken.take(*forward, text, net);
            word(forward->udp ? "-u" : "-t", text.origin);
            word(forward->spec, text.origin);
        } else {
            lowering.report(DiagnosticKind::BadValue, text.origin, std::get<std::string>(parsed),
                            {"a forward is \"[udp:][ADDRESS:]PORT[-PORT] -> PORT\", as in \"2222 -> 22\"",
                             fmt::format("in {}.forward", net.where)});
        }
    }
    return command;
}

void lower_user(Lowering& lowering, const Item& net, TakenPorts& taken) {
    const Origin origin = net.origin_of("type");
    const std::string host = net.id + ".passt";
    Members process(origin);
    process.put("kind", std::string("process")).put("profile", std::string("passt"));
    process.put("command", passt_command(lowering, net, taken));
    lowering.add(Kind::Host, host, std::move(process), net);

    Members address(origin);
    address.put("type", std::string("fd")).put("str", '@' + host);
    Members netdev(origin);
    netdev.put("type", std::string("stream")).put("addr", std::move(address.table())).put("server", false);
    lowering.add(Kind::Netdev, net.id, std::move(netdev), net, "netdev");
}

/// The process on the other end of the socket moves the packets, in the guest's memory. True if there is a
/// netdev.
bool lower_vhost_user(Lowering& lowering, const Item& net) {
    const Origin origin = net.origin_of("type");
    const Value* socket = net.value("socket");
    if (socket == nullptr) {
        if (!net.says("socket"))
            lowering.report(DiagnosticKind::Missing, net.origin, fmt::format("{} has no socket", net.where),
                            {"say on which socket the switch listens, or with mode = \"server\" QEMU: socket "
                             "= \"/run/switch/vm5.sock\""});
        return false;
    }
    const auto model = net.text("model").value_or("virtio");
    if (!model.starts_with("virtio"))
        lowering.report(
            DiagnosticKind::Conflict, net.origin_of("model"),
            fmt::format("{}: type = \"vhost-user\" needs model = \"virtio\", not {}", net.where, model));
    const std::string chardev = net.id + ".socket";
    if (net.text("mode") == "server")
        lowering.add_listener(chardev, *socket, net);
    else
        lowering.add_connection(chardev, *socket, net);
    Members netdev(origin);
    netdev.put("type", std::string("vhost-user")).put("chardev", chardev);
    if (net.number("queues").value_or(1) > 1) netdev.copy("queues", *net.table, "queues");
    lowering.add(Kind::Netdev, net.id, std::move(netdev), net, "netdev");
    return true;
}

std::string nic_address(Lowering& lowering, const Item& net) {
    const Table* over = net.inner("device");
    if (const Value* mac = over == nullptr ? nullptr : over->find("mac"); mac != nullptr && mac->is_string())
        return *mac->string();
    return net.text("mac").value_or(stable_mac(lowering.vm().name.value, net.id));
}

/// True if the nic has a backend.
bool lower_backend(Lowering& lowering, const Item& net, TakenPorts& taken) {
    const Table* over = net.inner("netdev");
    const bool own_backend = over != nullptr && over->find("type") != nullptr;
    if (own_backend) {
        lowering.add(Kind::Netdev, net.id, Members(net.origin), net, "netdev");
        return true;
    }
    if (const auto type = net.text("type")) {
        if (*type == "user") lower_user(lowering, net, taken);
        if (*type == "tap" || *type == "bridge" || *type == "macvtap")
            lower_tap(lowering, net, nic_address(lowering, net));
        if (*type == "vhost-user") return lower_vhost_user(lowering, net);
        return *type != "none";
    }
    if (!net.says("type"))
        lowering.report(
            DiagnosticKind::Missing, net.origin, fmt::format("{} has no type", net.where),
            {"say type = \"user\" for a network without privileges, \"bridge\" or \"tap\" for one of this "
             "host's, or \"none\" for a nic on no network"});
    return false;
}

struct KeyOfTypes {
    std::string_view key;
    std::array<std::string_view, 4> types;
};
constexpr std::array keys_of_types{
    KeyOfTypes{"forward", {"user"}},      KeyOfTypes{"host-loopback", {"user"}},
    KeyOfTypes{"bridge", {"bridge"}},     KeyOfTypes{"ifname", {"tap", "bridge"}},
    KeyOfTypes{"parent", {"macvtap"}},    KeyOfTypes{"queues", {"tap", "bridge", "macvtap", "vhost-user"}},
    KeyOfTypes{"socket", {"vhost-user"}}, KeyOfTypes{"mode", {"vhost-user"}},
};

void check_keys(Lowering& lowering, const Item& net) {
    const auto type = net.text("type");
    for (const auto& [key, types] : keys_of_types) {
        if (!net.says(key) || !type || std::ranges::find(types, *type) != types.end()) continue;
        std::string needed = fmt::format("\"{}\"", types[0]);
        for (const auto& other : {types[1], types[2], types[3]})
            if (!other.empty()) needed += fmt::format(" or \"{}\"", other);
        lowering.report(DiagnosticKind::Conflict, net.origin_of(key),
                        fmt::format("{}: {} needs type = {}", net.where, key, needed));
    }
    const auto mac = net.text("mac");
    if (!mac) return;
    const bool group =
        is_mac(*mac) && (std::string_view("13579bBdDfF").find((*mac)[1]) != std::string_view::npos);
    if (!is_mac(*mac) || group)
        lowering.report(DiagnosticKind::BadValue, net.origin_of("mac"),
                        fmt::format("'{}' cannot be the MAC address of a nic", *mac),
                        {group ? "an odd first byte makes it a multicast address"
                               : "write six bytes in hex, as in \"52:54:00:12:34:56\""});
}

}  // namespace

std::variant<Forward, std::string> parse_forward(std::string_view text) {
    const auto fail = [whole = text](std::string_view why) {
        return fmt::format("forward '{}': {}", whole, why);
    };
    const auto arrow = text.find("->");
    if (arrow == std::string_view::npos)
        return fail("there is no '->' between the host's port and the guest's");
    std::string_view outside = trimmed(text.substr(0, arrow));
    const std::string_view inside = trimmed(text.substr(arrow + 2));
    Forward forward;
    if (outside.starts_with("udp:") || outside.starts_with("tcp:")) {
        forward.udp = outside[0] == 'u';
        outside.remove_prefix(4);
    }
    std::string& address = forward.address;
    if (const auto colon = outside.rfind(':'); colon != std::string_view::npos) {
        address = std::string(outside.substr(0, colon));
        outside.remove_prefix(colon + 1);
        if (address.starts_with('[') && address.ends_with(']'))
            address = address.substr(1, address.size() - 2);
        if (address_bytes(address).empty()) return fail(fmt::format("'{}' is not an IP address", address));
    }
    const auto dash = outside.find('-');
    const unsigned first = forward.first = port_number(outside.substr(0, dash));
    const unsigned last = forward.last =
        dash == std::string_view::npos ? first : port_number(outside.substr(dash + 1));
    if (first == 0 || last == 0) return fail(fmt::format("'{}' is not a port or a range of ports", outside));
    if (last < first) return fail(fmt::format("the range {} ends before it begins", outside));
    const unsigned guest = port_number(inside);
    if (guest == 0) return fail(fmt::format("'{}' is not a port of the guest", inside));
    const unsigned guest_last = guest + (last - first);
    if (guest_last > 65535) return fail(fmt::format("the guest's ports would end at {}", guest_last));
    forward.spec = first == last ? fmt::format("{}/{}:{}", address, first, guest)
                                 : fmt::format("{}/{}-{}:{}-{}", address, first, last, guest, guest_last);
    return forward;
}

void lower_nets(Lowering& lowering) {
    TakenPorts taken(lowering);
    for (const auto& net : lowering.named("net")) {
        check_keys(lowering, net);
        const bool connected = lower_backend(lowering, net, taken);
        const std::string model = net.text("model").value_or("virtio");
        const bool is_virtio = model == "virtio";
        Members device(net.origin);
        device.put("driver", is_virtio ? lowering.virtio("net") : model, net.origin_of("model"));
        if (connected) device.put("netdev", net.id);
        device.put("mac", nic_address(lowering, net), net.origin_of("mac"));
        if (model.starts_with("virtio"))
            device.copy("host_mtu", *net.table, "mtu");
        else if (const Entry* mtu = net.table->entry("mtu"))
            lowering.report(
                DiagnosticKind::Conflict, mtu->key_origin,
                fmt::format("net.{}.mtu needs model = \"virtio\": a {} cannot tell it to the guest", net.id,
                            model));
        if (net.number("queues").value_or(1) > 1) {
            if (model.starts_with("virtio"))
                device.put("mq", true, net.origin_of("queues"));
            else
                lowering.report(
                    DiagnosticKind::Conflict, net.origin_of("queues"),
                    fmt::format("{}.queues needs model = \"virtio\": a {} has one", net.where, model));
        }
        device.copy("bootindex", *net.table, "boot");
        lowering.add(Kind::Device, net.id, std::move(device), net, "device");
        if (!net.flag("link").value_or(true))
            lowering.vm().links_down.push_back({net.id, net.origin_of("link")});
    }
}

}  // namespace qvm::config
