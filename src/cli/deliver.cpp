// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/deliver.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cli/apply_watch.hpp"
#include "cli/terminal.hpp"
#include "launch/compile_changes.hpp"
#include "launch/contain.hpp"
#include "launch/control.hpp"
#include "launch/jail_host.hpp"
#include "launch/limits.hpp"
#include "launch/pinning.hpp"

namespace qvm::cli {
namespace {

/// What QEMU may take for its commands, beside the waiting for the guest.
constexpr std::chrono::minutes command_patience{10};

/// The helpers that were started for it are handed over with their processes.
void name_helpers(std::vector<launch::Operation>& operations, const launch::HostResources& host) {
    for (auto& operation : operations) {
        if (operation.kind != launch::Operation::Kind::TakeHelper) continue;
        for (const auto& [name, record] : host.helpers())
            if (name == operation.resource) {
                for (auto* arguments : {&operation.arguments, &operation.undo.front().arguments}) {
                    (*arguments)["pid"] = record.pid;
                    (*arguments)["start-time"] = record.start_time;
                }
            }
    }
}

launch::LimitsChange limits_of(const Front& front, const Comparison& comparison) {
    const auto& applied = comparison.applied;
    if (!applied.cgroup) return {};
    return {jail::read_limits(*applied.cgroup), launch::group_limits(front.vm, front.compile(applied.accel))};
}

/// Opens what the plan needs and hands it to the supervisor.
void open_and_pass(launch::ChangePlan& plan, launch::HostResources& host, const Comparison& comparison,
                   Attached& attached) {
    for (const auto& step : plan.host) host.make(step);
    if (comparison.applied.cgroup)
        for (const auto& [name, record] : host.helpers())
            for (const auto& sentence : jail::add_to_cgroup(*comparison.applied.cgroup, name, record.pid))
                print_warning(sentence);
    const auto pass = [&](const std::string& step) {
        for (const auto& name : host.made_by(step)) {
            attached.execute_with_fd(launch::control::pass_fd, Json::object({{"name", name}}), host.fd(name));
            host.close(name);
        }
    };
    for (const auto& step : plan.host) pass(step.name);
    for (const auto& step : plan.host_for_undo) {
        try {
            host.make(step);
        } catch (const Error&) {
            continue;  // it is gone: the old medium cannot come back
        }
        pass(step.name);
    }
    name_helpers(plan.operations.additions, host);
    name_helpers(plan.operations.replugs, host);
}

Json order_of(const Front& front, const Comparison& comparison, const launch::ChangePlan& plan,
              const Delivery& delivery) {
    Json order = Json::object();
    order["generation"] = comparison.applied.generation;
    order["revision"] = comparison.applied.revision;
    order["operations"] = plan.operations.to_json();
    order["unplug-timeout-ms"] = delivery.unplug_patience.count();
    Json& files = order["files"] = Json::array();
    for (const auto& file : front.document.files) files.push_back(file.string());
    order["set"] = front.sets;
    return order;
}

/// The helpers that the supervisor has taken, and has not ended because something failed, are its own.
void release_taken(launch::HostResources& host, Attached& attached) {
    if (host.helpers().empty()) return;
    try {
        const Json state = attached.execute(launch::control::state, Json::object());
        std::set<std::string> names;
        for (const auto& helper : state.at("helpers").items()) names.insert(helper.key());
        host.release_helpers(names);
    } catch (const std::exception&) {
        host.release();  // rather one too many than a guest without its network
    }
}

/// The threads of the guest's processors, those that came with it among them. Here, because a supervisor has
/// no rights over them any more.
void pin(const std::vector<config::Pin>& pins, const Comparison& comparison, Attached& attached) {
    const Json cpus = attached.execute("query-cpus-fast", Json::object());
    if (comparison.applied.process.open()) launch::pin_processors(pins, cpus, comparison.applied.process.pid);
}

/// What `to` puts where `from` does not is refused before anything is changed.
class Pinning {
  public:
    Pinning(const Front& front, const Comparison& comparison, Attached& attached)
        : comparison_(comparison), attached_(attached), from_(comparison.running.smp.pins) {
        const bool as_many = comparison.running.smp.maxcpus == front.vm.smp.maxcpus;
        to_ = as_many ? front.vm.smp.pins : from_;
        if (any()) pin(to_, comparison_, attached_);
    }
    void settle(bool undone) {
        if (!any()) return;
        try {
            pin(undone ? from_ : to_, comparison_, attached_);
        } catch (const std::exception& error) {
            print_warning(error.what());
        }
    }

  private:
    bool any() const { return !from_.empty() || !to_.empty(); }

    const Comparison& comparison_;
    Attached& attached_;
    std::vector<config::Pin> from_, to_;
};

/// The connection ended before the answer came.
[[noreturn]] void explain_interruption(const launch::VmState& vm, bool left) {
    if (left)
        throw Error(ExitCode::OutcomeUnknown,
                    fmt::format("{}: left, and its supervisor goes on without us", vm.name()),
                    fmt::format("`qvm status {0}` tells whether it is still at work\n"
                                "`qvm log {0}` tells what was done, `qvm plan {0}` what is left to do",
                                vm.name()));
    if (wait_until_stopped(vm, std::chrono::seconds(2)))
        throw Error(ExitCode::VmDied, fmt::format("{} ended while it was changed", vm.name()),
                    fmt::format("`qvm status {0}` and `qvm log {0}` tell more", vm.name()));
    throw Error(ExitCode::OutcomeUnknown, fmt::format("{}: the supervisor went away meanwhile", vm.name()),
                fmt::format("`qvm status {}` tells what there is", vm.name()));
}

}  // namespace

launch::ApplyOutcome deliver(const Front& front, const Comparison& comparison, const launch::VmState& vm,
                             Attached& attached, const Delivery& delivery) {
    const auto fdsets = launch::ObservedFdsets::from_reply(attached.execute("query-fdsets", Json::object()));
    auto plan = launch::compile_changes(comparison.running_side(), comparison.wanted_side(front),
                                        comparison.difference, front.probe->capabilities(), fdsets,
                                        delivery.replug, limits_of(front, comparison));
    launch::HostResources host(vm, nullptr, comparison.applied.ids,
                               launch::mode_of(front.vm.jail_mode.value));
    ApplyWatch watch(attached, vm);
    try {
        open_and_pass(plan, host, comparison, attached);
    } catch (const Error&) {
        if (!watch.left()) throw;
    }
    if (watch.interrupted_before_sending()) {
        launch::ApplyOutcome nothing;
        nothing.cancelled = true;
        return nothing;
    }
    Pinning pinning(front, comparison, attached);
    try {
        const Json outcome =
            attached.execute(launch::control::apply, order_of(front, comparison, plan, delivery),
                             command_patience + delivery.unplug_patience);
        release_taken(host, attached);
        auto made = launch::ApplyOutcome::from_json(outcome);
        if (made.failed.empty() && !made.cancelled) host.release_sockets();
        if (!made.died) pinning.settle(!made.failed.empty() || made.cancelled);
        const bool undone = made.not_undone.empty() && made.left.empty() && !made.died;
        if ((made.failed.empty() && !made.cancelled) || !undone) host.keep_images();
        return made;
    } catch (const qmp::ExecuteError& error) {
        pinning.settle(true);
        release_taken(host, attached);
        host.keep_images();
        throw Error(ExitCode::Usage, fmt::format("{}: {}", vm.name(), error.description()),
                    fmt::format("`qvm status {0}` tells whether an apply is at work, `qvm log {0}` what was "
                                "done\nthen apply again",
                                vm.name()));
    } catch (const qmp::InterruptedError& error) {
        host.release();
        host.keep_images();
        const bool late = error.why() == qmp::InterruptedError::Why::DeadlinePassed;
        explain_interruption(vm, watch.left() || late);
    }
}

}  // namespace qvm::cli
