// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/diff_settings.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/diagnostic.hpp"
#include "config/balloon.hpp"

namespace qvm::launch {
namespace {

using config::Value;

/// The leaves of a table by their keys.
using Leaves = std::vector<std::pair<std::vector<std::string>, const Value*>>;

void flatten(const config::Table& table, std::vector<std::string>& path, Leaves& leaves) {
    for (const auto& entry : table.entries()) {
        path.push_back(entry.key);
        if (const auto* inner = entry.value.table())
            flatten(*inner, path, leaves);
        else
            leaves.emplace_back(path, &entry.value);
        path.pop_back();
    }
}

Origin origin_in(const config::Document* document, const std::vector<std::string>& path) {
    if (document == nullptr) return {};
    const Value* here = &document->root;
    for (const auto& key : path) {
        const auto* table = here->table();
        const Value* next = table == nullptr ? nullptr : table->find(key);
        if (next == nullptr) break;
        here = next;
    }
    return here == &document->root ? Origin{} : here->origin;
}

bool is_set_while_running(const std::string& key, const Json& before, const Json& after) {
    if (key == "lifecycle.stop-timeout" || key == "lifecycle.on-crash" || key == "attach.allow") return true;
    // The process that would start it again is not there, or is and must not.
    const bool may_restart = key == "lifecycle.on-reboot" || key == "lifecycle.on-helper-death";
    return may_restart && before != "restart" && after != "restart";
}

/// "memory" of "limits.memory", "io" of "limits.io.read"; empty for what is no limit.
std::string controller_of(const std::vector<std::string>& key) {
    return key.size() > 1 && key[0] == "limits" ? key[1] : std::string();
}

/// [[qmp]] without what the guest is to keep of its memory.
Json without_balloon(const Json& commands) {
    Json others = Json::array();
    if (commands.is_array())
        for (const auto& command : commands)
            if (command.value("execute", "") != config::balloon_command) others.push_back(command);
    return others;
}

Json told_balloon(const config::Vm& vm) {
    const auto bytes = config::balloon_size(vm);
    return bytes ? Json(*bytes) : Json();
}

}  // namespace

std::vector<Change> diff_settings(const Side& running, const Side& wanted) {
    std::vector<Change> changes;
    Diagnostics ignored;
    const auto before = config::load({{"", "/", running.compiled.settings}}, {}, ignored);
    const auto after = config::load({{"", "/", wanted.compiled.settings}}, {}, ignored);
    Leaves old_leaves, new_leaves;
    std::vector<std::string> path;
    flatten(*before.root.table(), path, old_leaves);
    flatten(*after.root.table(), path, new_leaves);
    const auto value_in = [](const Leaves& leaves, const std::vector<std::string>& key) {
        const auto found = std::ranges::find(leaves, key, &Leaves::value_type::first);
        return found == leaves.end() ? Json() : config::to_json(*found->second);
    };
    const auto compare = [&](const std::vector<std::string>& key, const Json& old_value,
                             const Json& new_value) {
        const std::string name = fmt::format("{}", fmt::join(key, "."));
        if (old_value == new_value || name == "link-down") return;
        // Where DIMMs do not come into it, devices tell.
        if (name == "memory.via" && old_value != "dimm" && new_value != "dimm") return;
        if (name == "qmp") {
            if (told_balloon(running.vm) != told_balloon(wanted.vm))
                changes.push_back({Action::InPlace,
                                   {},
                                   "balloon",
                                   "balloon.size",
                                   Way::Balloon,
                                   told_balloon(running.vm),
                                   told_balloon(wanted.vm),
                                   origin_in(wanted.document, {"balloon", "size"}),
                                   {}});
            if (without_balloon(old_value) == without_balloon(new_value)) return;
        }
        Change change{Action::NextStart,
                      {},
                      name,
                      name,
                      Way::Setting,
                      old_value,
                      new_value,
                      origin_in(wanted.document, key),
                      {}};
        if (is_set_while_running(name, old_value, new_value)) change.action = Action::InPlace;
        // One for each that there may ever be.
        if (name == "cpus.pin" && running.vm.smp.maxcpus == wanted.vm.smp.maxcpus)
            change.action = Action::InPlace;
        if (const auto controller = controller_of(key); !controller.empty()) {
            if (running.limits.contains(controller))
                change.action = Action::InPlace;
            else
                change.why = running.limits.empty()
                                 ? "it has no cgroup"
                                 : fmt::format("its cgroup was made without limits of {}", controller);
        }
        changes.push_back(std::move(change));
    };
    for (const auto& [key, value] : old_leaves)
        compare(key, config::to_json(*value), value_in(new_leaves, key));
    for (const auto& [key, value] : new_leaves)
        if (value_in(old_leaves, key).is_null()) compare(key, Json(), config::to_json(*value));
    compare({"hotplug", "pcie-ports"}, running.compiled.spare_pcie_ports, wanted.compiled.spare_pcie_ports);
    return changes;
}

}  // namespace qvm::launch
