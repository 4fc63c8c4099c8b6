// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/ssh_way.hpp"

#include <charconv>
#include <limits>

#include "base/tcp_address.hpp"
#include "base/vsock.hpp"
#include "config/rules_buses.hpp"

namespace qvm::launch {
namespace {

constexpr unsigned ssh_port = 22;

struct Ports {
    unsigned first = 0, last = 0;
};

/// "8000" or "8000-8010".
std::optional<Ports> ports_of(std::string_view text) {
    Ports ports;
    const auto number = [](std::string_view digits, unsigned& into) {
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
        return error == std::errc() && end == digits.data() + digits.size();
    };
    const auto dash = text.find('-');
    if (!number(text.substr(0, dash), ports.first)) return std::nullopt;
    ports.last = ports.first;
    if (dash != std::string_view::npos && !number(text.substr(dash + 1), ports.last)) return std::nullopt;
    return ports;
}

/// What passt(1) takes after -t: ADDRESS/PORT[-PORT]:PORT[-PORT].
std::optional<SshWay> way_of(std::string_view forward) {
    const auto slash = forward.find('/');
    const auto colon = forward.rfind(':');
    if (slash == std::string_view::npos || colon == std::string_view::npos || colon < slash)
        return std::nullopt;
    const auto outside = ports_of(forward.substr(slash + 1, colon - slash - 1));
    const auto inside = ports_of(forward.substr(colon + 1));
    if (!outside || !inside || ssh_port < inside->first || ssh_port > inside->last) return std::nullopt;
    std::string address(forward.substr(0, slash));
    if (address.empty() || address == "0.0.0.0") address = "127.0.0.1";
    if (address == "::") address = "::1";
    return SshWay{std::move(address), outside->first + (ssh_port - inside->first), {}, 0};
}

std::optional<SshWay> forward_to_ssh(const config::Resource& host) {
    const config::Value* command = host.properties.table()->find("command");
    if (command == nullptr || command->array() == nullptr) return std::nullopt;
    const auto& words = *command->array();
    for (std::size_t i = 0; i + 1 < words.size(); ++i)
        if (words[i].string() != nullptr && *words[i].string() == "-t" && words[i + 1].string() != nullptr)
            if (auto way = way_of(*words[i + 1].string())) return way;
    return std::nullopt;
}

std::optional<std::uint32_t> cid_of(const config::Resource& device) {
    if (device.id.kind != config::Kind::Device || !device.driver().starts_with("vhost-vsock-"))
        return std::nullopt;
    const config::Value* cid = device.properties.table()->find("guest-cid");
    if (cid == nullptr || cid->integer() == nullptr || *cid->integer() <= 0 ||
        *cid->integer() > std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    return static_cast<std::uint32_t>(*cid->integer());
}

}  // namespace

std::optional<SshWay> ssh_way(const config::Vm& vm) {
    std::optional<SshWay> way;
    std::optional<std::uint32_t> cid;
    std::string user;
    for (const auto& resource : vm.resources) {
        if (!cid) cid = cid_of(resource);
        if (resource.id.kind != config::Kind::Host) continue;
        if (!way && resource.driver() == "process") way = forward_to_ssh(resource);
        const std::string* said = config::text_at(resource, "user");
        if (said != nullptr) user = *said;
    }
    if (!way && cid) way = SshWay{{}, ssh_port, {}, *cid};
    if (way) way->user = user;
    return way;
}

Fd connect(const SshWay& way, std::chrono::milliseconds timeout) {
    if (way.by_vsock()) return connect_vsock(way.cid, way.port);
    return connect_tcp({way.address, static_cast<std::uint16_t>(way.port)}, timeout);
}

}  // namespace qvm::launch
