// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/compile_changes.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/balloon.hpp"
#include "config/rules_buses.hpp"
#include "launch/attach_fds.hpp"
#include "launch/change_compiler.hpp"
#include "launch/compile.hpp"
#include "launch/processors.hpp"

namespace qvm::launch {

using config::Kind;
using config::Resource;
using config::ResourceId;

namespace {

bool is_process(const Resource& host) {
    const std::string* kind = config::text_at(host, "kind");
    return kind != nullptr && *kind == "process";
}

}  // namespace

Operation ChangeCompiler::command(std::string name, Json arguments) {
    Operation operation;
    operation.command = std::move(name);
    operation.arguments = std::move(arguments);
    return operation;
}

/// The command that takes away what an addition has made; nothing for a device.
std::optional<Operation> ChangeCompiler::opposite(const ResourceId& id) {
    switch (id.kind) {
        case Kind::Object:
            return command("object-del", {{"id", id.id}});
        case Kind::Blockdev:
            return command("blockdev-del", {{"node-name", id.id}});
        case Kind::Netdev:
            return command("netdev_del", {{"id", id.id}});
        case Kind::Chardev:
            return command("chardev-remove", {{"id", id.id}});
        case Kind::Audiodev:
        case Kind::Device:
        case Kind::Host:
            break;
    }
    return std::nullopt;
}

/// A PCI device, a DIMM or a processor goes when the guest agrees; what sits on these buses goes at once.
bool ChangeCompiler::needs_guest(const config::Vm& vm, const Resource& device) const {
    const std::string* name = config::text_at(device, "bus");
    const config::BusMap buses(vm, qemu_);
    const config::Bus* bus = name == nullptr ? nullptr : buses.find(*name);
    return bus == nullptr || (bus->kind != config::BusKind::Scsi && bus->kind != config::BusKind::Usb &&
                              bus->kind != config::BusKind::VirtioSerial);
}

/// With its undo.
Operation ChangeCompiler::addition(const Step& step, const config::Vm& vm) const {
    const auto& qmp = std::get<QmpStep>(step.action);
    Operation operation = command(qmp.command, qmp.arguments);
    operation.resource = step.resource.to_string();
    operation.origin = step.origin.to_string();
    operation.fd = qmp.fd;
    Operation undo;
    if (qmp.command == "add-fd") {
        undo = command("remove-fd", {{"fdset-id", qmp.arguments.at("fdset-id")}});
        undo.may_fail = true;
    } else if (qmp.command == "getfd") {
        undo = command("closefd", {{"fdname", qmp.arguments.at("fdname")}});
        undo.may_fail = true;  // the command that used it took it
    } else {
        const Resource& resource = *vm.find(step.resource);
        operation.record.set = compiled(resource);
        if (auto removal = opposite(step.resource)) {
            undo = std::move(*removal);
        } else {
            undo.kind = Operation::Kind::Unplug;
            undo.device = step.resource.id;
            undo.needs_guest = needs_guest(vm, resource);
        }
        undo.record.erase = operation.resource;
        operation.lasting = step.resource.kind == Kind::Device && qemu_.is_a(resource.driver(), "cpu") &&
                            !lets_processors_go(qemu_, running_.accel);
        if (operation.lasting) return operation;
    }
    undo.resource = operation.resource;
    operation.undo.push_back(std::move(undo));
    return operation;
}

/// `prefix`: of the names of the descriptors, where two of one name are needed.
std::vector<Operation> ChangeCompiler::additions_of(const config::Vm& vm, const Ids& which,
                                                    std::vector<HostStep>& host, const std::string& prefix) {
    FdsetsInUse in_use{next_fdset_, {}};
    // A set of a [host.X] that stays can be used by more than one.
    for (const auto& [name, number] : fdsets_.by_name)
        if (const auto dot = name.find('.'); name.starts_with("host.") &&
                                             vm.find({Kind::Host, name.substr(dot + 1)}) &&
                                             !which.contains({Kind::Host, name.substr(dot + 1)}))
            in_use.named[name] = number;
    std::vector<Operation> operations;
    for (const auto& step : compile_additions(vm, qemu_, which, in_use)) {
        if (const auto* made = std::get_if<HostStep>(&step.action)) {
            if (in_use.named.contains(made->name)) continue;
            host.push_back(*made);
            host.back().name = prefix + made->name;
            continue;
        }
        if (std::holds_alternative<GrowStep>(step.action)) {
            growths_.push_back(growth(step));
            continue;
        }
        auto operation = addition(step, vm);
        if (!operation.fd.empty()) operation.fd = prefix + operation.fd;
        if (operation.command == "add-fd")
            next_fdset_ = std::max(next_fdset_, operation.arguments.at("fdset-id").get<int>() + 1);
        operations.push_back(std::move(operation));
    }
    return operations;
}

/// What is only on this host has no command of QEMU's.
void ChangeCompiler::add_hosts(const Ids& which, std::vector<Operation>& to) {
    for (const auto& resource : wanted_.vm.resources) {
        if (resource.id.kind != Kind::Host || !which.contains(resource.id)) continue;
        Operation operation;
        operation.kind = is_process(resource) ? Operation::Kind::TakeHelper : Operation::Kind::Settings;
        operation.resource = resource.id.to_string();
        operation.origin = resource.origin.to_string();
        operation.arguments = Json::object();
        if (is_process(resource)) operation.arguments["name"] = operation.resource;
        operation.record.set = compiled(resource);
        Operation undo = operation;
        if (is_process(resource)) undo.kind = Operation::Kind::EndHelper;
        undo.record = {{}, operation.resource, {}};
        operation.undo.push_back(std::move(undo));
        to.push_back(std::move(operation));
    }
}

void ChangeCompiler::add(const Ids& which, std::vector<Operation>& to) {
    add_hosts(which, to);
    for (auto& operation : additions_of(wanted_.vm, which, plan_.host, {})) {
        const bool plugs = operation.command == "device_add";
        const auto id = plugs ? operation.arguments.at("id").get<std::string>() : std::string();
        const auto* balloon = config::balloon_device(wanted_.vm);
        to.push_back(std::move(operation));
        if (plugs &&
            std::ranges::any_of(wanted_.vm.links_down, [&](const auto& l) { return l.value == id; })) {
            to.push_back(command("set_link", {{"name", id}, {"up", false}}));
            to.back().resource = "device." + id;
            to.back().undo.push_back(command("set_link", {{"name", id}, {"up", true}}));
            to.back().undo.back().resource = to.back().resource;
            to.back().undo.back().may_fail = true;
        }
        if (const auto size = config::balloon_size(wanted_.vm);
            plugs && size && balloon != nullptr && balloon->id.id == id) {
            to.push_back(command(config::balloon_command, {{"value", *size}}));
            to.back().resource = balloon->id.to_string();
            to.back().undo.push_back(to.back());
            to.back().undo.back().may_fail = true;
        }
    }
}

/// The devices among `which` that stand, directly or not, on a resource of what runs.
std::vector<std::string> ChangeCompiler::devices_on(const ResourceId& id, const Ids& which) const {
    Ids found{id};
    std::vector<std::string> devices;
    // In the order of making: what needs a resource comes after it.
    for (const auto& resource : running_.vm.resources) {
        const bool needs =
            std::ranges::any_of(resource.references,
                                [&](const auto& reference) { return found.contains(reference.target); }) ||
            std::ranges::any_of(resource.host_uses, [&](const auto& use) {
                return !use.host.empty() && found.contains({Kind::Host, use.host});
            });
        if (!needs || !found.insert(resource.id).second) continue;
        if (resource.id.kind == Kind::Device && which.contains(resource.id))
            devices.push_back(resource.id.id);
    }
    return devices;
}

void ChangeCompiler::remove_fdsets(const Resource& resource, const std::vector<std::string>& after,
                                   std::vector<Operation>& to) const {
    const auto remove_set = [&](const std::string& name) {
        const auto set = fdsets_.by_name.find(name);
        if (set == fdsets_.by_name.end()) return;
        to.push_back(command("remove-fd", {{"fdset-id", set->second}}));
        to.back().resource = resource.id.to_string();
        to.back().after = after;
        to.back().may_fail = true;
    };
    if (resource.id.kind == Kind::Host) remove_set(resource.id.to_string());
    for (const auto& use : resource.host_uses) {
        if (!use.host.empty()) continue;
        std::string name = resource.id.to_string();
        for (const auto& part : use.member) name += '.' + part;
        remove_set(name);
    }
}

void ChangeCompiler::remove_one(const Resource& resource, const Ids& which, std::vector<Operation>& to) {
    Operation operation;
    if (auto removal = opposite(resource.id)) {
        operation = std::move(*removal);
    } else if (resource.id.kind == Kind::Device) {
        operation.kind = Operation::Kind::Unplug;
        operation.device = resource.id.id;
        operation.needs_guest = needs_guest(running_.vm, resource);
    } else {
        operation.kind = is_process(resource) ? Operation::Kind::EndHelper : Operation::Kind::Settings;
        operation.arguments = Json::object();
        if (is_process(resource)) operation.arguments["name"] = resource.id.to_string();
    }
    operation.resource = resource.id.to_string();
    operation.after = devices_on(resource.id, which);
    operation.record.erase = operation.resource;
    const auto after = operation.after;
    to.push_back(std::move(operation));
    remove_fdsets(resource, after, to);
}

/// Devices first and together, then what they stood on, in reverse.
void ChangeCompiler::remove(const Ids& which, std::vector<Operation>& to) {
    for (const bool devices : {true, false})
        for (auto resource = running_.vm.resources.rbegin(); resource != running_.vm.resources.rend();
             ++resource)
            if (which.contains(resource->id) && (resource->id.kind == Kind::Device) == devices)
                remove_one(*resource, which, to);
}

ObservedFdsets ObservedFdsets::from_reply(const Json& reply) {
    ObservedFdsets observed;
    for (const auto& set : reply) {
        const auto number = set.at("fdset-id").get<std::int64_t>();
        if (number >= first_client_fdset) continue;
        observed.next = std::max(observed.next, static_cast<int>(number) + 1);
        for (const auto& fd : set.at("fds"))
            if (fd.contains("opaque"))
                observed.by_name[fd.at("opaque").get<std::string>()] = static_cast<int>(number);
    }
    return observed;
}

ChangePlan compile_changes(const Side& running, const Side& wanted, const Difference& difference,
                           const qapi::Capabilities& qemu, const ObservedFdsets& fdsets, bool replug,
                           const LimitsChange& limits) {
    return ChangeCompiler(running, wanted, difference, qemu, fdsets, replug, limits).run();
}

}  // namespace qvm::launch
