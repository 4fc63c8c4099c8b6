// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/compile_changes.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/dump.hpp"
#include "config/rules_buses.hpp"
#include "launch/attach_fds.hpp"
#include "launch/compile.hpp"
#include "launch/processors.hpp"

namespace qvm::launch {
namespace {

using config::Kind;
using config::Resource;
using config::ResourceId;
using Ids = std::set<ResourceId>;

std::string qom_path(const ResourceId& id) {
    return (id.kind == Kind::Device ? "/machine/peripheral/" : "/objects/") + id.id;
}

Operation command(std::string name, Json arguments) {
    Operation operation;
    operation.command = std::move(name);
    operation.arguments = std::move(arguments);
    return operation;
}

/// The command that takes away what an addition has made; nothing for a device.
std::optional<Operation> opposite(const ResourceId& id) {
    switch (id.kind) {
        case Kind::Object:
            return command("object-del", {{"id", id.id}});
        case Kind::Blockdev:
            return command("blockdev-del", {{"node-name", id.id}});
        case Kind::Netdev:
            return command("netdev_del", {{"id", id.id}});
        case Kind::Chardev:
            return command("chardev-remove", {{"id", id.id}});
        case Kind::Device:
        case Kind::Host:
            break;
    }
    return std::nullopt;
}

bool is_process(const Resource& host) {
    const std::string* kind = config::text_at(host, "kind");
    return kind != nullptr && *kind == "process";
}

/// The value of a throttle-group's limits that also takes back what is not in `after` any more: QEMU leaves
/// what is not named as it is.
Json complete_limits(const Json& before, const Json& after) {
    Json limits = after.is_object() ? after : Json::object();
    if (!before.is_object()) return limits;
    for (const auto& limit : before.items())
        if (!limits.contains(limit.key())) limits[limit.key()] = limit.key().ends_with("-length") ? 1 : 0;
    return limits;
}

class ChangeCompiler {
  public:
    ChangeCompiler(const Side& running, const Side& wanted, const Difference& difference,
                   const qapi::Capabilities& qemu, const ObservedFdsets& fdsets, bool replug)
        : running_(running),
          wanted_(wanted),
          difference_(difference),
          qemu_(qemu),
          fdsets_(fdsets),
          next_fdset_(fdsets.next),
          replug_(replug) {
        for (const auto& change : difference.changes) {
            if (change.resource.id.empty()) continue;
            if (change.action == Action::Add) added_.insert(change.resource);
            if (change.action == Action::Remove) removed_.insert(change.resource);
            if (change.action == Action::Replug) replugged_.insert(change.resource);
            if (change.action != Action::InPlace) continue;
            if (change.way == Way::Remake) remade_.insert(change.resource);
            if (change.way == Way::Medium && change.resource.kind == Kind::Blockdev)
                renewed_.insert(change.resource);
        }
    }

    ChangePlan run() {
        auto& operations = plan_.operations;
        release_boot_indexes(operations.additions);
        add(added_, operations.additions);
        in_place(operations.changes);
        media(operations.changes);
        settings(operations.changes);
        grow(operations.changes);
        remove(removed_, operations.removals);
        auto& again = remade_;
        if (replug_) again.merge(replugged_);
        if (!again.empty()) {
            remove(again, operations.replugs);
            add(again, operations.replugs);
            std::ranges::move(growths_, std::back_inserter(operations.replugs));
        }
        return std::move(plan_);
    }

  private:
    bool needs_guest(const config::Vm& vm, const Resource& device) const;
    Operation addition(const Step& step, const config::Vm& vm) const;
    static Operation growth(const Step& step);
    std::vector<Operation> additions_of(const config::Vm& vm, const Ids& which, std::vector<HostStep>& host,
                                        const std::string& prefix);
    void add(const Ids& which, std::vector<Operation>& to);
    void add_hosts(const Ids& which, std::vector<Operation>& to);
    void remove(const Ids& which, std::vector<Operation>& to);
    void remove_one(const Resource& resource, const Ids& which, std::vector<Operation>& to);
    void remove_fdsets(const Resource& resource, const std::vector<std::string>& after,
                       std::vector<Operation>& to) const;
    std::vector<std::string> devices_on(const ResourceId& id, const Ids& which) const;
    void release_boot_indexes(std::vector<Operation>& to) const;
    void in_place(std::vector<Operation>& to) const;
    void media(std::vector<Operation>& to);
    void settings(std::vector<Operation>& to) const;
    void grow(std::vector<Operation>& to);
    Operation qom_set(const ResourceId& id, const std::string& property, Json value,
                      const Origin& origin) const;

    const Side& running_;
    const Side& wanted_;
    const Difference& difference_;
    const qapi::Capabilities& qemu_;
    const ObservedFdsets& fdsets_;
    int next_fdset_;
    bool replug_;
    Ids added_, removed_, replugged_;
    Ids remade_;
    Ids renewed_;                     ///< block nodes under a drive
    std::vector<Operation> growths_;  ///< of what has been added so far
    ChangePlan plan_;
};

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

Operation ChangeCompiler::growth(const Step& step) {
    const auto& grow = std::get<GrowStep>(step.action);
    Operation operation;
    operation.kind = Operation::Kind::Grow;
    operation.lasting = true;
    operation.resource = step.resource.to_string();
    operation.origin = step.origin.to_string();
    operation.arguments = Json::object({{"node-name", grow.node}, {"size", grow.size}});
    return operation;
}

/// Last of all that can be undone, because it cannot.
void ChangeCompiler::grow(std::vector<Operation>& to) {
    std::ranges::move(growths_, std::back_inserter(to));
    growths_.clear();
    for (const auto& change : difference_.changes) {
        if (change.way != Way::Grow) continue;
        const Resource& node = *wanted_.vm.find(change.resource);
        if (change.after.is_null()) {
            Operation forgotten;
            forgotten.kind = Operation::Kind::Settings;
            forgotten.resource = change.resource.to_string();
            forgotten.arguments = Json::object();
            to.push_back(std::move(forgotten));
        } else {
            to.push_back(growth({GrowStep{node.id.id, node.grow_to->value}, node.id, change.origin}));
        }
        to.back().record.set = compiled(node);
    }
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
        to.push_back(std::move(operation));
        if (plugs &&
            std::ranges::any_of(wanted_.vm.links_down, [&](const auto& l) { return l.value == id; })) {
            to.push_back(command("set_link", {{"name", id}, {"up", false}}));
            to.back().resource = "device." + id;
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

Operation ChangeCompiler::qom_set(const ResourceId& id, const std::string& property, Json value,
                                  const Origin& origin) const {
    Operation operation;
    operation.kind = Operation::Kind::QomSet;
    operation.resource = id.to_string();
    operation.origin = origin.to_string();
    operation.arguments = Json::object({{"path", qom_path(id)}, {"property", property}});
    operation.arguments["value"] = std::move(value);
    return operation;
}

/// A place in the boot order can be taken only when it is free.
void ChangeCompiler::release_boot_indexes(std::vector<Operation>& to) const {
    for (const auto& change : difference_.changes) {
        const bool moves =
            change.action == Action::InPlace && change.member == "bootindex" && !change.before.is_null();
        const bool goes = change.action == Action::Remove && change.resource.kind == Kind::Device &&
                          change.before.contains("bootindex");
        if (moves || goes) to.push_back(qom_set(change.resource, "bootindex", -1, change.origin));
    }
}

void ChangeCompiler::in_place(std::vector<Operation>& to) const {
    for (const auto& change : difference_.changes) {
        if (change.action != Action::InPlace || change.resource.id.empty()) continue;
        Operation operation;
        if (change.way == Way::Link) {
            operation = command("set_link", {{"name", change.resource.id}, {"up", change.after}});
            operation.undo.push_back(
                command("set_link", {{"name", change.resource.id}, {"up", change.before}}));
            operation.resource = change.resource.to_string();
            operation.origin = change.origin.to_string();
        } else if (change.way == Way::QomSet || change.way == Way::Drive) {
            auto value =
                change.member == "limits" ? complete_limits(change.before, change.after) : change.after;
            if (value.is_null()) value = -1;  // bootindex: of no interest to the firmware
            operation = qom_set(change.resource, change.member, std::move(value), change.origin);
        } else {
            continue;
        }
        // The last member says it all.
        operation.record.set = compiled(*wanted_.vm.find(change.resource));
        to.push_back(std::move(operation));
    }
}

/// Tray open, the old medium out, its nodes exchanged where they keep their names, the new one in.
void ChangeCompiler::media(std::vector<Operation>& to) {
    std::vector<const Change*> drives;
    for (const auto& change : difference_.changes)
        if (change.way == Way::Medium && change.resource.kind == Kind::Device) drives.push_back(&change);
    const auto drive_command = [&](const Change& change, std::string name, Json more, Operation undo) {
        more["id"] = change.resource.id;
        undo.resource = change.resource.to_string();
        to.push_back(command(std::move(name), std::move(more)));
        to.back().resource = change.resource.to_string();
        to.back().origin = change.origin.to_string();
        to.back().undo.push_back(std::move(undo));
    };
    for (const auto* change : drives) {
        const Json id = change->resource.id;
        drive_command(*change, "blockdev-open-tray", {{"force", true}},
                      command("blockdev-close-tray", {{"id", id}}));
        if (!change->before.is_null())
            drive_command(*change, "blockdev-remove-medium", Json::object(),
                          command("blockdev-insert-medium", {{"id", id}, {"node-name", change->before}}));
    }
    if (!renewed_.empty()) {
        auto again = additions_of(running_.vm, renewed_, plan_.host_for_undo, "undo:");
        std::vector<Operation> removals;
        remove(renewed_, removals);
        // The whole exchange is undone by its first part.
        removals.front().undo = std::move(again);
        std::ranges::move(removals, std::back_inserter(to));
        std::ranges::move(additions_of(wanted_.vm, renewed_, plan_.host, {}), std::back_inserter(to));
    }
    for (const auto* change : drives) {
        const Json id = change->resource.id;
        if (!change->after.is_null())
            drive_command(*change, "blockdev-insert-medium", {{"node-name", change->after}},
                          command("blockdev-remove-medium", {{"id", id}}));
        drive_command(*change, "blockdev-close-tray", Json::object(),
                      command("blockdev-open-tray", {{"id", id}, {"force", true}}));
        to.back().record.set = compiled(*wanted_.vm.find(change->resource));
    }
}

void ChangeCompiler::settings(std::vector<Operation>& to) const {
    config::Vm made = running_.vm;
    const config::Vm& wanted = wanted_.vm;
    bool any = false;
    for (const auto& change : difference_.changes) {
        if (change.action != Action::InPlace) continue;
        if (change.way != Way::Link && (change.way != Way::Setting || !change.resource.id.empty())) continue;
        any = true;
        if (change.member == "lifecycle.stop-timeout")
            made.lifecycle.stop_timeout = wanted.lifecycle.stop_timeout;
        if (change.member == "lifecycle.on-reboot") made.lifecycle.on_reboot = wanted.lifecycle.on_reboot;
        if (change.member == "lifecycle.on-crash") made.lifecycle.on_crash = wanted.lifecycle.on_crash;
        if (change.member == "attach.allow") made.attach_allow = wanted.attach_allow;
    }
    const auto ids = [](const auto& links) {
        std::set<std::string> names;
        for (const auto& link : links) names.insert(link.value);
        return names;
    };
    if (ids(made.links_down) != ids(wanted.links_down)) {
        any = true;
        made.links_down = wanted.links_down;
    }
    if (!any) return;
    const auto describe = [](const config::Vm& vm) {
        return Json::object({{"stop-timeout-ms", vm.lifecycle.stop_timeout.value.count()},
                             {"attach", config::word_of(vm.attach_allow.value)},
                             {"restart-on-crash", vm.lifecycle.on_crash.value == config::OnCrash::Restart}});
    };
    const auto actions = [](const config::Vm& vm) {
        const bool resets = vm.lifecycle.on_reboot.value == config::OnReboot::Reset;
        const bool stops = vm.lifecycle.on_crash.value == config::OnCrash::Stop;
        return Json::object(
            {{"reboot", resets ? "reset" : "shutdown"}, {"panic", stops ? "shutdown" : "pause"}});
    };
    if (actions(made) != actions(running_.vm)) {
        to.push_back(command("set-action", actions(made)));
        to.back().undo.push_back(command("set-action", actions(running_.vm)));
    }
    Operation operation;
    operation.kind = Operation::Kind::Settings;
    operation.arguments = describe(made);
    operation.record.settings = config::settings_to_toml(made);
    Operation undo = operation;
    undo.arguments = describe(running_.vm);
    undo.record.settings = running_.compiled.settings;
    operation.undo.push_back(std::move(undo));
    to.push_back(std::move(operation));
}

}  // namespace

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
                           const qapi::Capabilities& qemu, const ObservedFdsets& fdsets, bool replug) {
    return ChangeCompiler(running, wanted, difference, qemu, fdsets, replug).run();
}

}  // namespace qvm::launch
