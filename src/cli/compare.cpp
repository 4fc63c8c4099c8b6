// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/compare.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/terminal.hpp"
#include "jail/cgroup_change.hpp"
#include "launch/control.hpp"
#include "launch/memory_parts.hpp"
#include "launch/usb_device.hpp"

namespace qvm::cli {

namespace {

launch::CpuRoom room_for_processors(const Comparison& comparison,
                                    const std::optional<launch::Observed>& observed) {
    launch::CpuRoom room;
    if (observed) room.slots = observed->cpu_slots;
    if (comparison.applied.accel != "tcg") return room;
    const auto& smp = comparison.running.smp;
    const auto made = smp.cpus + comparison.applied.processors_added.value_or(smp.maxcpus);
    room.most = smp.maxcpus > made ? smp.maxcpus - made : 0;
    return room;
}

/// Those of the start, and those above, which are devices.
unsigned processors_in(const config::Vm& vm) {
    const auto above = std::ranges::count(vm.resources, launch::made_by_cpus, &config::Resource::made_by);
    return vm.smp.cpus + static_cast<unsigned>(above);
}

}  // namespace

Comparison compare(Front& front, launch::Applied applied, const std::optional<launch::Observed>& observed,
                   bool fix_drift) {
    Comparison comparison{std::move(applied), {}, {}, {}, {}, {}};
    front.find_qemu();
    comparison.running =
        launch::read_compiled(comparison.applied.compiled, front.vm.name.value, *front.probe);
    if (observed) comparison.drift = launch::drift(comparison.running, *observed);
    if (observed)
        for (const auto& device : observed->unplugged)
            for (const auto& host : launch::usb_of(comparison.running, device))
                comparison.broken.emplace(host, "it was unplugged from the host");
    if (fix_drift) {
        for (const auto& missing : comparison.drift.missing)
            std::erase_if(comparison.running.resources, [&](const auto& r) { return r.id == missing; });
        for (const auto& [helper, how] : comparison.drift.ended)
            comparison.broken.emplace(helper, "its process has ended");
    }
    const auto spare = front.vm.spare_pcie_ports.value;
    const auto why =
        launch::place_processors(front.vm, comparison.running, room_for_processors(comparison, observed));
    const auto why_memory = launch::place_memory(front.vm, comparison.running);
    front.check(&comparison.running);
    if (front.diagnostics.has_errors()) return comparison;
    comparison.wanted = launch::compiled(front.vm, spare);
    comparison.difference =
        launch::diff(comparison.running_side(), comparison.wanted_side(front), front.probe->capabilities());
    for (auto& change : comparison.difference.changes) {
        if (change.member == "memory.size" && change.resource.id.empty()) change.why = why_memory;
        if (change.member != "cpus.count" || !change.resource.id.empty()) continue;
        change.before = processors_in(comparison.running);
        change.after = processors_in(front.vm);
        change.why = why;
    }
    return comparison;
}

namespace {

/// A machine that has its processors for good refuses the question.
Json cpus(Attached& attached) {
    try {
        return attached.execute("query-hotpluggable-cpus", Json::object());
    } catch (const qmp::ExecuteError&) {
        return Json::array();
    }
}

}  // namespace

launch::Side Comparison::running_side() const {
    return {running,
            applied.compiled,
            nullptr,
            applied.accel,
            applied.cgroup ? jail::controllers_of(*applied.cgroup) : std::set<std::string>(),
            broken};
}

launch::Observed observe(Attached& attached, const launch::Compiled& running) {
    const auto ask = [&](const char* command, const Json& arguments) {
        return attached.execute(command, arguments);
    };
    auto observed = launch::Observed::from_replies(
        ask("qom-list", launch::Observed::peripherals_question()),
        ask("qom-list", launch::Observed::objects_question()), ask("query-chardev", Json::object()),
        ask("query-named-block-nodes", {{"flat", true}}), cpus(attached));
    observed.unplugged = unplugged_devices(attached, running);
    const Json state = ask(launch::control::state, Json::object());
    const Json helpers = state.value("helpers", Json::object());
    for (const auto& [name, how] : helpers.items())
        if (how != launch::control::helper_runs) observed.ended_helpers.emplace(name, how);
    return observed;
}

std::set<std::string> unplugged_devices(Attached& attached, const launch::Compiled& running) {
    const auto vm = launch::lower_compiled(running);
    auto gone = launch::unplugged_usb(vm);
    for (const auto& device : vm.resources) {
        if (!launch::is_usb_host(device)) continue;
        const Json question = {{"path", "/machine/peripheral/" + device.id.id}, {"property", "attached"}};
        try {
            if (attached.execute("qom-get", question) == Json(false)) gone.insert(device.id.id);
        } catch (const qmp::ExecuteError&) {
            continue;  // QEMU does not have it: that is drift
        }
    }
    return gone;
}

void warn_of_drift(const launch::Drift& drift, const std::string& name, bool fix_drift) {
    for (const auto& missing : drift.missing)
        print_warning(fmt::format("{}: {} is not there any more: somebody has taken it away{}", name,
                                  missing.to_string(), fix_drift ? "" : "; --fix-drift repairs that"));
    for (const auto& [helper, how] : drift.ended)
        print_warning(fmt::format(
            "{}: the process of {} {}{}", name, helper.to_string(), how,
            fix_drift ? ""
                      : "; `qvm apply --fix-drift --replug` starts it anew, with the device that needs it"));
    for (const auto& extra : drift.extra)
        print_warning(fmt::format("{}: {} is there, and no file says so: somebody has added it", name,
                                  extra.to_string()));
}

bool runs(const Front& front, const launch::VmState& vm) {
    return vm.condition() == launch::Condition::Running && vm.applied() && !front.document.files.empty() &&
           !vm.owner_other_than(front.document.files.front());
}

}  // namespace qvm::cli
