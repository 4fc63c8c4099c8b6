// SPDX-License-Identifier: GPL-3.0-or-later
// Nics with what they are connected to: each pair becomes one [net.X].
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/import_translator.hpp"
#include "config/sugar_net.hpp"

namespace qvm::config {
namespace {

constexpr std::array<std::string_view, 4> virtio_models{"virtio", "virtio-net-pci", "virtio-net-device",
                                                        "virtio-net"};

/// Backends that cannot be had, and why.
struct Lost {
    std::string_view type, reason;
};
constexpr std::array lost_types{
    Lost{"vde", "the language has no VDE networks"},
    Lost{"l2tpv3", "the language has no L2TPv3 networks"},
    Lost{"hubport", "the language has no hubs"},
    Lost{"vhost-vdpa", "say it as a [netdev.X], with the device as a [host.X]"},
};

/// "tcp:127.0.0.1:2222-:22" as a forward; empty if it is none that a forward can say.
std::string forward_of(std::string_view text) {
    const auto first = text.find(':');
    if (first == std::string_view::npos) return {};
    const std::string_view protocol = text.substr(0, first);
    text.remove_prefix(first + 1);
    const auto dash = text.rfind('-');
    if (dash == std::string_view::npos || (!protocol.empty() && protocol != "tcp" && protocol != "udp"))
        return {};
    const std::string_view outside = text.substr(0, dash), inside = text.substr(dash + 1);
    const auto colon = outside.rfind(':');
    const auto guest = inside.rfind(':');
    if (colon == std::string_view::npos || guest == std::string_view::npos) return {};
    // QEMU listens on all addresses where it is given none.
    const std::string_view address = colon == 0 ? "0.0.0.0" : outside.substr(0, colon);
    auto forward = fmt::format("{}{}:{} -> {}", protocol == "udp" ? "udp:" : "", address,
                               outside.substr(colon + 1), inside.substr(guest + 1));
    return std::holds_alternative<Forward>(parse_forward(forward)) ? forward : std::string();
}

/// "-net nic,macaddr=.." says it otherwise than a device.
void take_mac(OptionPairs& pairs, Table& properties) {
    for (const char* key : {"mac", "macaddr"})
        if (auto mac = pairs.take(key)) properties.set("mac", {}, Value(*mac, {}));
}

}  // namespace

void Translator::netdev(const GivenOption& option) {
    net_given_ = true;
    Backend backend;
    backend.shown = option.shown();
    if (auto json = json_table(option.argument)) {
        backend.json = std::move(*json);
        for (const char* key : {"type", "id"})
            if (const Value* value = backend.json.find(key); value != nullptr && value->string() != nullptr)
                (std::string_view(key) == "id" ? backend.id : backend.type) = *value->string();
        backend.json.erase("id");
    } else {
        backend.pairs = parse_pairs(option.argument, "type");
        backend.type = backend.pairs.take("type").value_or("");
        backend.id = backend.pairs.take("id").value_or("");
    }
    backends_.push_back(std::move(backend));
}

void Translator::nic(const GivenOption& option) {
    net_given_ = true;
    OptionPairs pairs = parse_pairs(option.argument, "type");
    const std::string type = pairs.take("type").value_or("user");
    if (type == "none") return;
    Nic nic;
    nic.model = pairs.take("model").value_or("");
    nic.device_id = pairs.take("id").value_or("");
    nic.shown = option.shown();
    take_mac(pairs, nic.properties);
    for (const char* key : {"addr", "vectors"})
        if (auto value = pairs.take(key))
            nic.properties.set(key, {}, typed_value(key, *value, ValueFor::Property));
    backends_.push_back({type, nic.device_id, "", std::move(pairs), {}, true});
    nic.backend = &backends_.back();
    nics_.push_back(std::move(nic));
}

void Translator::net(const GivenOption& option) {
    net_given_ = true;
    OptionPairs pairs = parse_pairs(option.argument, "type");
    const std::string type = pairs.take("type").value_or("");
    if (type == "none") return;
    if (type != "nic") {
        const std::string id = pairs.take("id").value_or(pairs.take("name").value_or(""));
        backends_.push_back({type, id, option.shown(), std::move(pairs), {}, true});
        hub_backends_.push_back(&backends_.back());
        return;
    }
    Nic nic;
    nic.model = pairs.take("model").value_or("");
    nic.shown = option.shown();
    take_mac(pairs, nic.properties);
    nic.device_id = pairs.take("name").value_or("");
    if (auto netdev = pairs.take("netdev")) {
        nic.properties.set("driver", {},
                           Value(nic.model.empty() ? std::string(machine_defaults().nic) : nic.model, {}));
        nic.properties.set("netdev", {}, Value(*netdev, {}));
    }
    hub_nics_.push_back(std::move(nic));
}

Translator::Backend* Translator::backend_of(const Device& device) {
    const Value* name = device.properties.find("netdev");
    if (name == nullptr || name->string() == nullptr) return nullptr;
    const auto found = std::ranges::find(backends_, *name->string(), &Backend::id);
    return found == backends_.end() ? nullptr : &*found;
}

void Translator::put_none(Draft::Part& part, const Backend& backend, std::string_view why) {
    part.put("type", "none");
    leave_out(fmt::format("net.{}: {}", part.path[1], backend.type), why);
}

void Translator::put_user(Draft::Part& part, Backend& backend) {
    part.put("type", "user");
    Array forwards;
    for (const auto& text : backend.pairs.take_all("hostfwd")) {
        if (auto forward = forward_of(text); !forward.empty())
            forwards.emplace_back(Value::Data(std::move(forward)), Origin());
        else
            leave_out("hostfwd=" + text, "no forward of the language says this");
    }
    if (!forwards.empty()) part.put("forward", std::move(forwards));
    leave_out_rest("net." + part.path[1], backend.pairs,
                   "passt gives the guest the host's own addresses and names, and has no such setting");
}

void Translator::put_tap(Draft::Part& part, Backend& backend) {
    OptionPairs& pairs = backend.pairs;
    const auto ifname = pairs.take("ifname");
    const auto script = pairs.take("script");
    pairs.take("downscript");
    if (!ifname) {
        put_none(part, backend, "it names no interface that is there: ifname=..");
        return;
    }
    const std::string id = part.path[1];
    if (script != "no")
        warn(part, fmt::format("net.{}: no script is run for '{}': it has to be up, and in its bridge", id,
                               *ifname));
    Table netdev;
    netdev.set("type", {}, Value(std::string("tap"), {}));
    netdev.set("fd", {}, Value('@' + id + ".tap", {}));
    draft_.add({"host", id + ".tap"}).put("kind", "tap").put("ifname", *ifname);
    if (pairs.take_flag("vhost").value_or(false)) {
        netdev.set("vhost", {}, Value(true, {}));
        netdev.set("vhostfd", {}, Value('@' + id + ".vhost", {}));
        draft_.add({"host", id + ".vhost"})
            .put("kind", "file")
            .put("path", "/dev/vhost-net")
            .put("access", "rw");
    }
    leave_out_rest("net." + id, pairs, "a tap of a [host.X] has no such setting");
    part.merge_into("netdev", std::move(netdev));
}

void Translator::put_bridge(Draft::Part& part, Backend& backend) {
    part.put("type", "bridge");
    part.put("bridge", backend.pairs.take("br").value_or("br0"));
    backend.pairs.take("helper");
    leave_out_rest("net." + part.path[1], backend.pairs, "a bridge of a [net.X] has no such setting");
}

/// The backend as it is, for the schema to judge.
/// A switch's socket. How often and how long it is tried is qvm's own matter.
void Translator::put_vhost_user(Draft::Part& part, Backend& backend, Chardev& chardev) {
    part.put("type", "vhost-user");
    part.put("socket", chardev.pairs.take("path").value_or(""));
    if (chardev.pairs.take_flag("server").value_or(false)) part.put("mode", "server");
    for (const char* usual : {"wait", "reconnect", "reconnect-ms"}) chardev.pairs.take(usual);
    leave_out_rest("chardev " + chardev.id, chardev.pairs,
                   "the socket of a vhost-user nic has no such setting");
    if (const auto queues = backend.pairs.take("queues"))
        part.put("queues", typed_value("queues", *queues, ValueFor::Qapi));
    backend.pairs.take("vhostforce");
    leave_out_rest("net." + part.path[1], backend.pairs, "a vhost-user nic has no such setting");
    if (!chardev.shown.empty()) part.comments.push_back(chardev.shown);
    chardev.taken = true;
}

void Translator::put_other(Draft::Part& part, Backend& backend) {
    Table netdev = backend.json;
    netdev.set("type", {}, Value(backend.type, {}));
    for (const char* key : {"hostfwd", "guestfwd", "dnssearch"}) {
        Array list;
        for (auto& text : backend.pairs.take_all(key)) {
            Table one;
            one.set("str", {}, Value(std::move(text), {}));
            list.emplace_back(Value::Data(std::move(one)), Origin());
        }
        if (!list.empty()) netdev.set(key, {}, Value(std::move(list), {}));
    }
    merge(netdev, nested_table(backend.pairs, ValueFor::Qapi));
    const bool forwards = netdev.find("hostfwd") != nullptr;
    if (forwards || backend.type == "socket" || backend.type == "stream" || backend.type == "dgram")
        uses_host_network("net." + part.path[1]);
    part.merge_into("netdev", std::move(netdev));
}

/// The chardev of a vhost-user nic that is a Unix socket by its path; null where there is none.
Translator::Chardev* Translator::switch_of(Backend& backend) {
    const auto* name = backend.type == "vhost-user" ? backend.pairs.find("chardev") : nullptr;
    Chardev* chardev = name == nullptr ? nullptr : chardev_named(*name);
    if (chardev == nullptr || chardev->type != "socket" || chardev->pairs.find("path") == nullptr)
        return nullptr;
    backend.pairs.take("chardev");
    return chardev;
}

void Translator::put_backend(Draft::Part& part, Backend& backend) {
    const auto lost = std::ranges::find(lost_types, backend.type, &Lost::type);
    const auto* isolated = backend.pairs.find("restrict");
    if (lost != lost_types.end())
        put_none(part, backend, lost->reason);
    else if (!backend.json.empty())
        put_other(part, backend);
    else if (backend.type == "user" && (isolated == nullptr || *isolated == "off"))
        put_user(part, backend);
    else if (backend.type == "tap")
        put_tap(part, backend);
    else if (Chardev* chardev = switch_of(backend); chardev != nullptr)
        put_vhost_user(part, backend, *chardev);
    else if (backend.type == "bridge")
        put_bridge(part, backend);
    else
        put_other(part, backend);
}

void Translator::write_net(const Nic& nic) {
    Backend& backend = *nic.backend;
    if (!nic.device_id.empty()) ids_.erase(nic.device_id);
    const std::string wanted = !backend.id.empty() ? backend.id : "net0";
    Draft::Part& part = draft_.add({"net", sugar_id(wanted)}, backend.shown);
    if (!nic.shown.empty()) part.comments.push_back(nic.shown);
    put_backend(part, backend);
    std::string model = nic.model;
    if (model.empty()) model = machine_defaults().nic;
    if (!model.empty() && std::ranges::find(virtio_models, model) == virtio_models.end())
        part.put("model", model);
    Table rest = nic.properties;
    for (const auto& [property, key] : {std::pair("mac", "mac"), std::pair("bootindex", "boot")})
        if (const Value* value = rest.find(property)) {
            part.put(key, *value);
            rest.erase(property);
        }
    part.merge_into("device", std::move(rest));
}

void Translator::write_nets() {
    for (auto& device : devices_) {
        Backend* backend = backend_of(device);
        if (backend == nullptr || backend->taken) continue;
        backend->taken = true;
        Nic nic{device.driver, device.id, device.shown, device.properties, backend};
        nic.properties.erase("netdev");
        nics_.push_back(std::move(nic));
        device.driver.clear();  // the table makes it
    }
    for (std::size_t i = 0; i < hub_nics_.size(); ++i) {
        Nic& nic = hub_nics_[i];
        if (const Value* name = nic.properties.find("netdev")) {
            const auto found = std::ranges::find(backends_, *name->string(), &Backend::id);
            nic.backend = found == backends_.end() ? nullptr : &*found;
            for (const char* key : {"driver", "netdev"}) nic.properties.erase(key);
        } else if (!hub_backends_.empty()) {
            nic.backend = hub_backends_[std::min(i, hub_backends_.size() - 1)];
        }
        if (nic.backend == nullptr) {
            leave_out(nic.shown, "it is connected to nothing");
            continue;
        }
        nic.backend->taken = true;
        nics_.push_back(nic);
    }
    for (const auto& nic : nics_) write_net(nic);
    if (hub_nics_.empty())
        for (const Backend* backend : hub_backends_) leave_out(backend->shown, "no nic is connected to it");
    for (const auto& backend : backends_)
        if (!backend.taken) leave_out(backend.shown, "no nic is connected to it");
    if (net_given_ || !defaults_ || machine_defaults().nic.empty()) return;
    Draft::Part& part =
        draft_.add({"net", sugar_id("net0")}, "QEMU's own default: a nic on its user network");
    part.put("type", "user");
    if (machine_defaults().nic != "virtio") part.put("model", std::string(machine_defaults().nic));
}

}  // namespace qvm::config
