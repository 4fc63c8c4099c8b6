// SPDX-License-Identifier: GPL-3.0-or-later
// compile_changes: what stays and changes.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "config/balloon.hpp"
#include "config/dump.hpp"
#include "launch/change_compiler.hpp"
#include "launch/limits.hpp"
#include "launch/memory_parts.hpp"

namespace qvm::launch {

using config::Kind;
using config::Resource;
using config::ResourceId;

namespace {

std::string qom_path(const ResourceId& id) {
    return (id.kind == Kind::Device ? "/machine/peripheral/" : "/objects/") + id.id;
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

bool is_limit(const Change& change) {
    return change.way == Way::Setting && change.action == Action::InPlace &&
           change.member.starts_with("limits.");
}

Operation limits_operation(const jail::CgroupLimits& from, const jail::CgroupLimits& to) {
    Operation operation;
    operation.kind = Operation::Kind::Limits;
    operation.arguments = Json::object({{"from", limits_to_json(from)}, {"to", limits_to_json(to)}});
    return operation;
}

}  // namespace

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

/// Of a block node that is there: all that it was made with, or is to have.
Json ChangeCompiler::options_of(const Resource& node) const {
    Json options = node.arguments;
    options["node-name"] = node.id.id;
    for (const auto& use : node.host_uses) {
        std::string name = use.host.empty() ? node.id.to_string() : "host." + use.host;
        if (use.host.empty())
            for (const auto& part : use.member) name += '.' + part;
        const auto set = fdsets_.by_name.find(name);
        if (use.entrance != config::Entrance::Fdset || set == fdsets_.by_name.end()) continue;
        Json* member = &options;
        for (const auto& part : use.member)
            member = member->is_array() ? &member->at(std::stoul(part)) : &member->at(part);
        *member = fmt::format("/dev/fdset/{}", set->second);
    }
    return options;
}

/// One command for each node, whatever the number of its members that change.
void ChangeCompiler::reopen(std::vector<Operation>& to) const {
    Ids nodes;
    for (const auto& change : difference_.changes) {
        if (change.way != Way::Reopen || !nodes.insert(change.resource).second) continue;
        const auto reopened = [&](const Resource& node) {
            return command("blockdev-reopen", {{"options", Json::array({options_of(node)})}});
        };
        const Resource& before = *running_.vm.find(change.resource);
        const Resource& after = *wanted_.vm.find(change.resource);
        Operation operation = reopened(after);
        operation.resource = change.resource.to_string();
        operation.origin = change.origin.to_string();
        Resource made = after;
        made.grow_to = before.grow_to;
        operation.record.set = compiled(made);
        Operation undo = reopened(before);
        undo.resource = operation.resource;
        undo.record.set = compiled(before);
        operation.undo.push_back(std::move(undo));
        to.push_back(std::move(operation));
    }
}

/// The device keeps its chardev, which gets another end.
void ChangeCompiler::other_backends(std::vector<Operation>& to) {
    for (const auto& change : difference_.changes) {
        if (change.way != Way::Backend) continue;
        const auto changed_to = [&](const config::Vm& vm, std::vector<HostStep>& host,
                                    const std::string& prefix) {
            auto operations = additions_of(vm, {change.resource}, host, prefix);
            for (auto& operation : operations) {
                if (operation.command != "chardev-add") continue;
                operation.command = "chardev-change";
                operation.undo.clear();
            }
            return operations;
        };
        auto again = changed_to(running_.vm, plan_.host_for_undo, "undo:");
        auto operations = changed_to(wanted_.vm, plan_.host, {});
        operations.back().undo = std::move(again);
        std::ranges::move(operations, std::back_inserter(to));
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

/// What cannot be changed while it runs stays as it is.
jail::CgroupLimits ChangeCompiler::wanted_limits() const {
    auto limits = limits_.now;
    const auto& wanted = limits_.wanted;
    for (const auto& change : difference_.changes) {
        if (!is_limit(change)) continue;
        if (change.member == "limits.memory") limits.memory = wanted.memory;
        if (change.member == "limits.cpu") limits.cpu = wanted.cpu;
        if (change.member == "limits.pids") limits.pids = wanted.pids;
        if (change.member == "limits.io.read") limits.io_read = wanted.io_read;
        if (change.member == "limits.io.write") limits.io_write = wanted.io_write;
    }
    // The automatic limit is that of what there is.
    if (!wanted_.vm.limits.pids && limits.pids && wanted.pids) limits.pids = wanted.pids;
    // What a disk that goes lies on stays: the guest may be long in letting it go.
    for (const dev_t device : wanted.io_devices)
        if ((limits.io_read || limits.io_write) && std::ranges::count(limits.io_devices, device) == 0)
            limits.io_devices.push_back(device);
    return limits;
}

/// In force until all is done.
jail::CgroupLimits ChangeCompiler::raised_limits() const {
    const auto& now = limits_.now;
    auto raised = wanted_limits();
    const auto at_least = [](std::optional<std::uint64_t>& limit,
                             const std::optional<std::uint64_t>& before) {
        if (limit) limit = before ? std::optional(std::max(*limit, *before)) : std::nullopt;
    };
    at_least(raised.memory, now.memory);
    at_least(raised.cpu, now.cpu);
    at_least(raised.pids, now.pids);
    at_least(raised.io_read, now.io_read);
    at_least(raised.io_write, now.io_write);
    return raised;
}

/// What comes may need it.
void ChangeCompiler::raise_limits(std::vector<Operation>& to) const {
    const auto change = std::ranges::find_if(difference_.changes, is_limit);
    const auto& now = limits_.now;
    const auto raised = raised_limits();
    if (limits_to_json(raised) == limits_to_json(now)) return;
    to.push_back(limits_operation(now, raised));
    if (change != difference_.changes.end()) to.back().origin = change->origin.to_string();
    to.back().undo.push_back(limits_operation(raised, now));
}

/// When nothing needs more any longer. Should it fail, what is in force then stays: what came may need it.
void ChangeCompiler::settle_limits(std::vector<Operation>& to) {
    const config::Limits& wanted = wanted_.vm.limits;
    const Change* first = nullptr;
    for (const auto& change : difference_.changes) {
        if (!is_limit(change)) continue;
        if (first == nullptr) first = &change;
        if (change.member == "limits.memory") made_.limits.memory = wanted.memory;
        if (change.member == "limits.cpu") made_.limits.cpu = wanted.cpu;
        if (change.member == "limits.pids") made_.limits.pids = wanted.pids;
        if (change.member == "limits.io.read") made_.limits.io_read = wanted.io_read;
        if (change.member == "limits.io.write") made_.limits.io_write = wanted.io_write;
    }
    const auto raised = raised_limits();
    const auto settled = wanted_limits();
    if (first == nullptr && limits_to_json(raised) == limits_to_json(settled)) return;
    to.push_back(limits_operation(raised, settled));
    if (first == nullptr) return;
    to.back().origin = first->origin.to_string();
    to.back().record.settings = config::settings_to_toml(made_);
}

/// Tells the balloon that stays how much the guest of `vm` is to keep, and `more` bytes.
std::optional<Operation> ChangeCompiler::told_balloon(const config::Vm& vm, std::int64_t more) const {
    const auto* before = config::balloon_device(running_.vm);
    const auto* after = config::balloon_device(wanted_.vm);
    if (before == nullptr || after == nullptr || before->id != after->id || replugged_.contains(after->id))
        return std::nullopt;
    // QEMU takes what is more than all for all.
    const auto all = std::numeric_limits<std::int64_t>::max();
    const auto size = config::balloon_size(vm);
    auto told = command(config::balloon_command, {{"value", size ? *size + more : all}});
    told.resource = after->id.to_string();
    return told;
}

/// The bytes of the DIMMs among `which`.
std::int64_t ChangeCompiler::dimms_in(const Ids& which, const config::Vm& vm) {
    std::int64_t bytes = 0;
    for (const auto& resource : vm.resources)
        if (which.contains(resource.id) && resource.driver() == "pc-dimm")
            bytes += static_cast<std::int64_t>(memory_held(vm, resource));
    return bytes;
}

/// QEMU counts what the guest is to give, from what it has when it is told: with a DIMM that comes, what it
/// keeps would be more. So it is told again after that, and before it, too: there an undo ends.
void ChangeCompiler::hold_balloon(std::vector<Operation>& to) const {
    auto told = told_balloon(running_.vm, 0);
    if (!told || !config::balloon_size(running_.vm) || dimms_in(added_, wanted_.vm) == 0) return;
    told->undo.push_back(*told);
    to.push_back(std::move(*told));
}

/// What goes, goes from a guest that was given room for it.
void ChangeCompiler::tell_balloon(std::vector<Operation>& to) const {
    const auto leaving = dimms_in(removed_, running_.vm);
    auto told = told_balloon(wanted_.vm, leaving);
    const auto before = config::balloon_size(running_.vm), after = config::balloon_size(wanted_.vm);
    const bool counts_anew = leaving != 0 || dimms_in(added_, wanted_.vm) != 0;
    if (!told || (before == after && !(after && counts_anew))) return;
    told->undo.push_back(*told_balloon(running_.vm, 0));
    to.push_back(std::move(*told));
}

void ChangeCompiler::settings(std::vector<Operation>& to) {
    config::Vm& made = made_;
    const config::Vm& wanted = wanted_.vm;
    bool any = false;
    for (const auto& change : difference_.changes) {
        if (change.action != Action::InPlace) continue;
        if (change.way == Way::Balloon) {
            any = true;
            std::erase_if(made.commands, config::tells_balloon);
            std::ranges::copy_if(wanted.commands, std::back_inserter(made.commands), config::tells_balloon);
        }
        if (change.way != Way::Link && (change.way != Way::Setting || !change.resource.id.empty())) continue;
        if (is_limit(change)) continue;
        any = true;
        if (change.member == "lifecycle.stop-timeout")
            made.lifecycle.stop_timeout = wanted.lifecycle.stop_timeout;
        if (change.member == "lifecycle.on-reboot") made.lifecycle.on_reboot = wanted.lifecycle.on_reboot;
        if (change.member == "lifecycle.on-crash") made.lifecycle.on_crash = wanted.lifecycle.on_crash;
        if (change.member == "lifecycle.on-helper-death")
            made.lifecycle.on_helper_death = wanted.lifecycle.on_helper_death;
        if (change.member == "cpus.pin") made.smp.pins = wanted.smp.pins;
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
        const auto& life = vm.lifecycle;
        return Json::object({{"stop-timeout-ms", life.stop_timeout.value.count()},
                             {"attach", config::word_of(vm.attach_allow.value)},
                             {"restart-on-crash", life.on_crash.value == config::OnCrash::Restart},
                             {"on-helper-death", config::word_of(life.on_helper_death.value)}});
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

}  // namespace qvm::launch
