// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_plan.hpp"

#include <fcntl.h>
#include <map>
#include <sys/mount.h>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "jail/names.hpp"
#include "jail/path_rules.hpp"
#include "launch/overloaded.hpp"
#include "launch/secret.hpp"

namespace qvm::launch {
namespace {

GivenFd describe(const HostStep& step) {
    const auto* file = std::get_if<OpenFile>(&step.action);
    const auto access = std::holds_alternative<WriteSeed>(step.action) ? "ro"
                        : file == nullptr                              ? "rw"
                        : file->access == config::Access::ReadOnly     ? "ro"
                        : file->access == config::Access::WriteOnly    ? "wo"
                                                                       : "rw";
    auto what = std::visit(
        Overloaded{[](const OpenFile& open) { return open.path.string(); },
                   [](const ListenSocket& socket) {
                       if (!socket.address.empty()) return "listening socket " + socket.address;
                       return "listening socket " + (socket.in_runtime.empty()
                                                         ? socket.path.string()
                                                         : socket.in_runtime + " in the runtime directory");
                   },
                   [](const ConnectSocket& socket) { return "connection to " + socket.path.string(); },
                   [](const PlaceSocket& socket) { return "listening socket " + socket.path.string(); },
                   [](const OpenTap& tap) {
                       if (!tap.parent.empty()) return "macvtap over " + tap.parent;
                       return tap.ifname.empty() ? "tap interface in bridge " + tap.bridge
                                                 : "tap interface " + tap.ifname;
                   },
                   [](const OpenUsb& usb) { return "USB device " + usb.device; },
                   [](const StartProcess& process) {
                       return fmt::format("socket to {}, in a jail of its own", process.profile);
                   },
                   [](const ReadSecret& secret) { return "secret of " + source_of(secret); },
                   [](const WriteSeed&) { return std::string("seed of cloud-init, in memory"); }},
        step.action);
    return {{}, step.name, access, std::move(what)};
}

std::string way_of(const QmpStep& step) {
    if (step.arguments.is_object() && step.arguments.contains("fdset-id"))
        return fmt::format("{} set {}", step.command, step.arguments.at("fdset-id").dump());
    return step.command;
}

Json to_json(const GivenFd& given) {
    Json json = Json::object();
    json["number"] = given.number;
    json["name"] = given.name;
    json["access"] = given.access;
    json["what"] = given.what;
    return json;
}

Json to_json(const jail::Rule& rule) {
    Json json = Json::object();
    json["call"] = rule.call;
    json["text"] = jail::rule_text(rule);
    json["action"] = rule.error == 0 ? Json("allow") : Json("errno");
    if (rule.error != 0) json["errno"] = rule.error;
    for (const auto& test : rule.tests)
        json["arguments"].push_back(
            Json::object({{"index", test.index}, {"mask", test.mask}, {"value", test.value}}));
    json["reason"] = rule.reason;
    if (!rule.unseen.empty()) json["unseen"] = rule.unseen;
    return json;
}

const char* mode_word(jail::Mode mode) {
    if (mode == jail::Mode::Off) return "off";
    return mode == jail::Mode::Reduced ? "reduced" : "strict";
}

const char* violation_text(jail::Violation violation) {
    if (violation == jail::Violation::Kill) return "kill";
    return violation == jail::Violation::Log ? "EPERM, logged" : "EPERM";
}

Json filter_json(const jail::Filter& filter, const std::vector<jail::Rule>& rules,
                 jail::Violation violation) {
    Json json = Json::object();
    json["instructions"] = filter.program.size() / jail::Filter::instruction_size;
    json["other-calls"] = violation_text(violation);
    json["other-architectures"] = "kill";
    json["rules"] = Json::array();
    for (const auto& rule : rules) json["rules"].push_back(to_json(rule));
    return json;
}

const char* landlock_text(jail::Landlock landlock) {
    if (landlock == jail::Landlock::Off) return "off";
    return landlock == jail::Landlock::Require ? "require" : "auto";
}

Json landlock_json(const JailPlan& plan) {
    Json json = Json::object();
    json["mode"] = landlock_text(plan.spec.landlock);
    if (plan.landlock_abi) json["host-abi"] = *plan.landlock_abi;
    if (plan.spec.landlock == jail::Landlock::Off) return json;
    Json& paths = json["paths"] = Json::array();
    for (const auto& rule : plan.paths)
        paths.push_back(Json::object({{"path", rule.path}, {"rights", jail::right_names(rule.rights)}}));
    const auto scope = jail::landlock_scope(plan.spec);
    json["tcp"] = scope.tcp ? "refused" : "allowed";
    json["abstract-sockets-outside"] = scope.abstract_sockets ? "refused" : "allowed";
    json["signals-outside"] = scope.signals ? "refused" : "allowed";
    return json;
}

Json id_json(const JailPlan& plan, const std::optional<std::uint32_t>& outside) {
    Json json = Json::object();
    if (plan.spec.mode == jail::Mode::Strict) json["inside"] = 1000;
    json["outside"] = outside     ? Json(*outside)
                      : plan.uids ? Json(fmt::format("one of {}-{}", plan.uids->first, plan.uids->second))
                                  : Json("the caller's");
    return json;
}

Json namespaces_json(const jail::Spec& spec) {
    Json json = Json::object();
    const bool strict = spec.mode == jail::Mode::Strict;
    for (const char* name : {"user", "mnt", "ipc", "uts", "cgroup"}) json[name] = strict ? "new" : "host";
    json["pid"] = spec.namespaces.pid ? "new" : "host";
    json["net"] = spec.namespaces.net ? "new" : "host";
    json["time"] = "host";
    return json;
}

}  // namespace

JailPlan::JailPlan(const Plan& plan, jail::Spec contained, jail::Violation on_violation,
                   std::optional<int> abi, const jail::FilterOptions& options)
    : vm(plan.vm),
      spec(std::move(contained)),
      layout(spec.mode == jail::Mode::Strict ? jail::lay_out(spec) : jail::Layout{}),
      rules(jail::qemu_filter_rules(spec.filter.exec_fd, options)),
      violation(on_violation),
      landlock_abi(abi) {
    const Fd executable(::open(spec.executable.c_str(), O_RDONLY | O_CLOEXEC));
    paths = jail::path_rules(spec, executable.get());
    std::map<std::string, GivenFd> made;
    for (const auto& step : plan.steps)
        if (const auto* host = std::get_if<HostStep>(&step.action)) made[host->name] = describe(*host);
    const auto give = [&](std::vector<GivenFd>& list, const std::string& name, std::string number) {
        // Of several of one step, each is what the first is.
        auto given = made[name.substr(0, name.find('#'))];
        given.name = name;
        given.number = std::move(number);
        list.push_back(std::move(given));
    };
    for (const auto& step : plan.steps) {
        if (const auto* inherit = std::get_if<InheritStep>(&step.action))
            give(fds, inherit->host, std::to_string(inherit->number));
        else if (const auto* copy = std::get_if<CopyStep>(&step.action))
            give(copies, copy->host, copy->jail_path);
        else if (const auto* qmp = std::get_if<QmpStep>(&step.action);
                 qmp != nullptr && !qmp->fd.empty() && qmp->command != "object-add")
            give(fds, qmp->fd, way_of(*qmp));
    }
}

void JailPlan::make_devices_anew() {
    std::string names;
    std::erase_if(layout.attachments, [&](const auto& mount) {
        const bool device = mount.target.starts_with("dev/");
        if (device) names += ' ' + mount.target.substr(mount.target.find('/') + 1);
        return device;
    });
    if (names.empty()) return;
    jail::Attachment made;
    made.source = "a new tmpfs:" + names;
    made.target = "dev";
    made.attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    layout.attachments.push_back(std::move(made));
}

Json JailPlan::to_json() const {
    Json json = Json::object();
    json["vm"] = vm;
    json["contained"] = spec.mode != jail::Mode::Off;
    json["mode"] = mode_word(spec.mode);
    json["root"] = spec.mode == jail::Mode::Strict ? "a new tmpfs" : "the host's";
    json["executable"] = spec.executable;
    json["execs"] = "once, by descriptor";
    json["exec-fd"] = spec.filter.exec_fd;
    json["argv"] = spec.argv;
    json["env"] = spec.env;
    json["uid"] = id_json(*this, spec.host_uid);
    json["gid"] = id_json(*this, spec.host_gid ? spec.host_gid : spec.host_uid);
    json["namespaces"] = namespaces_json(spec);
    json["capabilities"] = Json::array();
    json["no-new-privileges"] = true;
    Json& mounts = json["mounts"] = Json::array();
    for (const auto& mount : layout.attachments)
        mounts.push_back(Json::object({{"source", mount.source},
                                       {"target", '/' + mount.target},
                                       {"options", jail::mount_options(mount.attributes)}}));
    json["tmpfs"] = spec.tmpfs;
    json["proc"] = spec.proc;
    Json& links = json["symlinks"] = Json::array();
    for (const auto& link : layout.symlinks)
        links.push_back(Json::object({{"path", '/' + link.path}, {"target", link.target}}));
    Json& devices = json["devices"] = Json::array();
    for (const auto& path : jail::device_paths(spec)) devices.push_back(path);
    Json& copied = json["copies"] = Json::array();
    for (const auto& copy : copies) copied.push_back(launch::to_json(copy));
    Json& given = json["fds"] = Json::array();
    for (const auto& fd : fds) given.push_back(launch::to_json(fd));
    Json& limits = json["limits"] = Json::object();
    for (const auto& limit : spec.limits) limits[jail::limit_name(limit.resource)] = limit.value;
    if (spec.filter.exec_fd >= 0) limits["RLIMIT_NOFILE"] = spec.filter.exec_fd;
    json["landlock"] = landlock_json(*this);
    json["seccomp"] = filter_json(spec.filter, rules, violation);
    return json;
}

}  // namespace qvm::launch
