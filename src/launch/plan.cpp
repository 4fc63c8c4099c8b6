// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/plan.hpp"

#include <fmt/format.h>

#include "launch/overloaded.hpp"

namespace qvm::launch {
namespace {

std::string_view access_name(config::Access access) {
    switch (access) {
        case config::Access::ReadOnly:
            return "ro";
        case config::Access::ReadWrite:
            return "rw";
        case config::Access::WriteOnly:
            return "wo";
    }
    return "ro";
}

Json describe(const NewImage& image) {
    Json json = Json::object({{"format", image.format}});
    if (image.size != 0) json["size"] = image.size;
    if (!image.backing.empty()) json["backing"] = image.backing.string();
    if (!image.backing.empty()) json["backing-format"] = image.backing_format;
    if (image.ephemeral) json["ephemeral"] = true;
    return json;
}

Json describe(const std::vector<config::IdRange>& map) {
    Json json = Json::array();
    for (const auto& range : map)
        json.push_back(fmt::format("{}:{}:{}", range.guest, range.host, range.count));
    return json;
}

Json describe(const HostStep& step) {
    Json json = Json::object();
    std::visit(Overloaded{[&](const OpenFile& file) {
                              json["do"] = "open-file";
                              json["name"] = step.name;
                              json["path"] = file.path.string();
                              json["access"] = access_name(file.access);
                              if (file.count > 1) json["count"] = file.count;
                              if (!file.copy_of.empty()) json["copy-of"] = file.copy_of.string();
                              if (file.create) json["create"] = describe(*file.create);
                          },
                          [&](const ListenSocket& socket) {
                              json["do"] = "listen";
                              json["name"] = step.name;
                              if (!socket.address.empty())
                                  json["address"] = socket.address;
                              else if (socket.in_runtime.empty())
                                  json["path"] = socket.path.string();
                              else
                                  json["runtime"] = socket.in_runtime;
                          },
                          [&](const ConnectSocket& socket) {
                              json["do"] = "connect";
                              json["name"] = step.name;
                              json["path"] = socket.path.string();
                          },
                          [&](const PlaceSocket& socket) {
                              json["do"] = "place-socket";
                              json["name"] = step.name;
                              json["path"] = socket.path.string();
                          },
                          [&](const OpenTap& tap) {
                              json["do"] = "open-tap";
                              json["name"] = step.name;
                              if (!tap.ifname.empty()) json["ifname"] = tap.ifname;
                              if (!tap.bridge.empty()) json["bridge"] = tap.bridge;
                              if (!tap.parent.empty()) json["parent"] = tap.parent;
                              if (!tap.mac.empty()) json["mac"] = tap.mac;
                              if (tap.queues > 1) json["queues"] = tap.queues;
                              if (tap.mtu != 0) json["mtu"] = tap.mtu;
                          },
                          [&](const OpenUsb& usb) {
                              json["do"] = "open-usb";
                              json["name"] = step.name;
                              json["device"] = usb.device;
                          },
                          [&](const StartProcess& process) {
                              json["do"] = "start-process";
                              json["name"] = step.name;
                              json["profile"] = process.profile;
                              json["command"] = process.argv;
                              if (!process.path.empty()) json["path"] = process.path.string();
                              if (process.read_only) json["access"] = "ro";
                              if (!process.uid_map.empty()) json["uid-map"] = describe(process.uid_map);
                              if (!process.gid_map.empty()) json["gid-map"] = describe(process.gid_map);
                              if (!process.loader.empty()) json["loader"] = process.loader.string();
                          },
                          [&](const ReadSecret& secret) {
                              json["do"] = "read-secret";
                              json["name"] = step.name;
                              if (!secret.path.empty()) json["path"] = secret.path.string();
                              if (!secret.env.empty()) json["env"] = secret.env;
                              if (!secret.credential.empty()) json["credential"] = secret.credential;
                          },
                          [&](const WriteSeed&) {
                              json["do"] = "write-seed";
                              json["name"] = step.name;
                          }},
               step.action);
    return json;
}

Json describe(const InheritStep& step) {
    return Json::object({{"do", "inherit"}, {"name", step.host}, {"number", step.number}});
}

Json describe(const CopyStep& step) {
    return Json::object({{"do", "copy"}, {"name", step.host}, {"to", step.jail_path}});
}

Json describe(const BindStep& step) {
    Json json = Json::object({{"do", "bind"}, {"path", step.path.string()}});
    if (!step.target.empty()) json["to"] = step.target.string();
    return json;
}

Json describe(const ArgvStep& step) {
    Json json = Json::object();
    json["do"] = "argv";
    json["words"] = step.words;
    return json;
}

Json describe(const QmpStep& step) {
    Json json = Json::object();
    json["do"] = "qmp";
    json["execute"] = step.command;
    if (!step.arguments.is_null()) json["arguments"] = step.arguments;
    if (!step.fd.empty()) json["fd"] = step.fd;
    return json;
}

Json describe(const GrowStep& step) {
    return Json::object({{"do", "grow"}, {"node-name", step.node}, {"size", step.size}});
}

Json describe(const WaitStep& step) {
    Json json = Json::object();
    json["do"] = "wait";
    json["event"] = step.event;
    json["deadline-ms"] = step.deadline.count();
    return json;
}

}  // namespace

std::vector<std::string> Plan::argv() const {
    std::vector<std::string> words;
    for (const auto& step : steps)
        if (const auto* argv = std::get_if<ArgvStep>(&step.action))
            words.insert(words.end(), argv->words.begin(), argv->words.end());
    return words;
}

Json Plan::to_json() const {
    Json json = Json::object();
    json["vm"] = vm;
    json["accel"] = accel;
    Json& list = json["steps"] = Json::array();
    for (const auto& step : steps) {
        Json described = std::visit([](const auto& action) { return describe(action); }, step.action);
        if (!step.resource.id.empty()) described["resource"] = step.resource.to_string();
        if (step.origin.known()) described["origin"] = step.origin.to_string();
        list.push_back(std::move(described));
    }
    return json;
}

}  // namespace qvm::launch
