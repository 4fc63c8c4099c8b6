// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/argv.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace qvm::launch {
namespace {

/// A member of a chardev backend whose option has another name. Source: qemu-options.hx and chardev/char-*.c
/// (the parse functions), QEMU 7.2 to 11.1; what is not here has the same name.
struct Renamed {
    std::string_view type;    ///< of the backend
    std::string_view member;  ///< with dots
    std::string_view option;
};

constexpr std::array renamed{
    Renamed{"file", "out", "path"},
    Renamed{"file", "in", "input-path"},
    Renamed{"serial", "device", "path"},
    Renamed{"parallel", "device", "path"},
    Renamed{"pipe", "device", "path"},
    Renamed{"pty", "path", "path"},
    Renamed{"spicevmc", "type", "name"},
    Renamed{"spiceport", "fqdn", "name"},
    Renamed{"udp", "remote.host", "host"},
    Renamed{"udp", "remote.port", "port"},
    Renamed{"udp", "remote.ipv4", "ipv4"},
    Renamed{"udp", "remote.ipv6", "ipv6"},
    Renamed{"udp", "local.host", "localaddr"},
    Renamed{"udp", "local.port", "localport"},
    Renamed{"socket", "addr.str", "fd"},
};

/// What the option tells from other members, and does not take.
constexpr std::array<std::string_view, 3> implied{"addr.type", "remote.type", "local.type"};

std::string option_of(std::string_view type, const std::string& member) {
    const auto found = std::ranges::find_if(
        renamed, [&](const Renamed& row) { return row.type == type && row.member == member; });
    if (found != renamed.end()) return std::string(found->option);
    constexpr std::string_view address = "addr.";
    return member.starts_with(address) ? member.substr(address.size()) : member;
}

std::string scalar(const Json& value) {
    if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
    return with_doubled_commas(value.is_string() ? value.get<std::string>() : value.dump());
}

/// Calls `each(key, scalar)` for all leaves, keys joined by dots.
template <class Each>
void walk(const Json& value, const std::string& prefix, const Each& each) {
    std::size_t index = 0;
    for (const auto& item : value.items()) {
        const auto name = value.is_array() ? std::to_string(index++) : item.key();
        const auto key = prefix.empty() ? name : fmt::format("{}.{}", prefix, name);
        if (item.value().is_structured())
            walk(item.value(), key, each);
        else if (!item.value().is_null())
            each(key, item.value());
    }
}

}  // namespace

std::string with_doubled_commas(std::string_view value) {
    std::string text;
    for (const char c : value) {
        text += c;
        if (c == ',') text += c;
    }
    return text;
}

std::string key_values(const Json& object) {
    std::string text;
    walk(object, {}, [&](const std::string& key, const Json& value) {
        text += fmt::format(",{}={}", key, scalar(value));
    });
    return text;
}

std::string repeated_key_values(const Json& object) {
    std::string text;
    for (const auto& member : object.items()) {
        const Json& value = member.value();
        for (const auto& one : value.is_array() ? value : Json::array({value}))
            if (!one.is_structured() && !one.is_null())
                text += fmt::format(",{}={}", member.key(), scalar(one));
    }
    return text;
}

std::string chardev_argument(std::string_view id, const Json& backend) {
    const auto type = backend.at("type").get<std::string>();
    auto text = fmt::format("{},id={}", type, id);
    const auto data = backend.find("data");
    if (data == backend.end()) return text;
    walk(*data, {}, [&](std::string member, const Json& value) {
        // Addresses are wrapped in `data` in QMP (QAPI: SocketAddressLegacy), and flat here.
        if (const auto wrapped = member.find(".data."); wrapped != std::string::npos)
            member.erase(wrapped, 5);
        if (std::ranges::find(implied, member) != implied.end()) return;
        text += fmt::format(",{}={}", option_of(type, member), scalar(value));
    });
    return text;
}

}  // namespace qvm::launch
