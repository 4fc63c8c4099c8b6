// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/compare.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/applier.hpp"
#include "launch/compile_changes.hpp"
#include "launch/contain.hpp"
#include "launch/control.hpp"
#include "launch/jail_host.hpp"

namespace qvm::cli {
namespace {

constexpr std::chrono::minutes patience{5};

struct Arguments {
    FileArguments vm;
    bool yes = false;
    bool replug = false;
    bool fix_drift = false;
    std::string unplug_timeout = "10s";
    std::chrono::milliseconds unplug_patience() const {
        const auto parsed = parse_duration(unplug_timeout);
        if (const auto* why = std::get_if<std::string>(&parsed))
            throw Error(ExitCode::Usage, "--unplug-timeout: " + *why);
        return std::get<std::chrono::milliseconds>(parsed);
    }
};

/// Throws where the VM is not one that can be changed.
launch::Applied running_state(const Front& front, launch::VmState& vm) {
    if (!vm.exists() || vm.condition() == launch::Condition::Stopped)
        throw Error(ExitCode::NoSuchVm, fmt::format("{} is not running", vm.name()),
                    fmt::format("`qvm up {}` starts it as its file says", front.paths.front()));
    const auto notice = vm.claim(front.document.files.front());
    if (!notice.empty()) print_warning(notice);
    adopt_orphan(vm);
    const auto applied = vm.applied();
    if (!applied || vm.condition() != launch::Condition::Running)
        throw Error(ExitCode::NoSuchVm, fmt::format("{} is still starting", vm.name()),
                    "try again in a moment");
    return *applied;
}

/// True to go on.
bool confirmed(const Arguments& arguments, const std::string& name) {
    if (arguments.yes) return true;
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0)
        throw Error(ExitCode::Usage, fmt::format("{}: nothing was changed", name),
                    "without a terminal to ask on, --yes applies it");
    fmt::print(stderr, "Apply this to {}? [y/N] ", name);
    std::fflush(stderr);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

/// A device that is on its way out holds its id until the guest lets it go.
void warn_of_pending(const Comparison& comparison, const std::string& name) {
    for (const auto& pending : comparison.applied.pending) {
        const auto& wanted = comparison.wanted.resources;
        if (std::ranges::find(wanted, pending.resource, &launch::CompiledResource::id) == wanted.end())
            continue;
        print_warning(
            fmt::format("{}: {} stays in the file, but it is being unplugged: once the guest has let it go, "
                        "apply adds it again",
                        name, pending.resource));
    }
}

/// The helpers that were started for it are handed over with their processes.
void name_helpers(std::vector<launch::Operation>& operations, const launch::HostResources& host) {
    for (auto& operation : operations) {
        if (operation.kind != launch::Operation::Kind::TakeHelper) continue;
        for (const auto& [name, record] : host.helpers())
            if (name == operation.resource) {
                operation.arguments["pid"] = record.pid;
                operation.arguments["start-time"] = record.start_time;
            }
    }
}

/// Opens what the plan needs, with the caller's rights, and hands it to the supervisor.
launch::ApplyOutcome send(const Front& front, const Comparison& comparison, const launch::VmState& vm,
                          Attached& attached, const Arguments& arguments) {
    const auto fdsets = launch::ObservedFdsets::from_reply(attached.execute("query-fdsets", Json::object()));
    auto plan =
        launch::compile_changes(comparison.running_side(), comparison.wanted_side(front),
                                comparison.difference, front.probe->capabilities(), fdsets, arguments.replug);
    launch::HostResources host(vm, nullptr, comparison.applied.ids,
                               launch::mode_of(front.vm.jail_mode.value));
    for (const auto& step : plan.host) host.make(step);
    if (comparison.applied.cgroup)
        for (const auto& [name, record] : host.helpers())
            for (const auto& sentence : jail::add_to_cgroup(*comparison.applied.cgroup, name, record.pid))
                print_warning(sentence);
    const auto pass = [&](const std::string& name) {
        attached.execute_with_fd(launch::control::pass_fd, Json::object({{"name", name}}), host.fd(name));
        host.close(name);
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
    Json order = Json::object();
    order["generation"] = comparison.applied.generation;
    order["revision"] = comparison.applied.revision;
    order["operations"] = plan.operations.to_json();
    order["unplug-timeout-ms"] = arguments.unplug_patience().count();
    Json& files = order["files"] = Json::array();
    for (const auto& file : front.document.files) files.push_back(file.string());
    order["set"] = front.sets;
    try {
        const Json outcome = attached.execute(launch::control::apply, order, std::chrono::minutes(10));
        // The helpers are the supervisor's, which has ended those of a failure.
        host.release();
        return launch::ApplyOutcome::from_json(outcome);
    } catch (const qmp::InterruptedError&) {
        host.release();
        if (wait_until_stopped(vm, std::chrono::seconds(2)))
            throw Error(ExitCode::VmDied, fmt::format("{} ended while it was changed", vm.name()),
                        fmt::format("`qvm status {0}` and `qvm log {0}` tell more", vm.name()));
        throw Error(ExitCode::OutcomeUnknown,
                    fmt::format("{}: the supervisor went away meanwhile", vm.name()),
                    fmt::format("`qvm status {}` tells what there is", vm.name()));
    }
}

ExitCode report_failure(const launch::ApplyOutcome& outcome, const std::string& name) {
    const auto where = outcome.origin.empty() ? std::string() : outcome.origin + ": ";
    fmt::print(stderr, "{}{}: {} failed: {}\n", where, name, outcome.failed, escape_controls(outcome.reason));
    if (outcome.died) {
        fmt::print(stderr, "  `qvm status {0}` and `qvm log {0}` tell more\n", name);
        return ExitCode::VmDied;
    }
    for (const auto& title : outcome.not_undone)
        fmt::print(stderr, "  not undone: {}\n", escape_controls(title));
    if (outcome.done.empty() && outcome.not_undone.empty()) {
        fmt::print(stderr, "  everything was undone: {} is as it was\n", name);
        return ExitCode::RolledBack;
    }
    for (const auto& title : outcome.done) fmt::print(stderr, "  done before: {}\n", title);
    fmt::print(stderr, "  `qvm plan` shows what is left to do\n");
    return ExitCode::RollbackIncomplete;
}

ExitCode report(const launch::ApplyOutcome& outcome, const Comparison& comparison, const std::string& name,
                bool replug) {
    if (!outcome.failed.empty()) return report_failure(outcome, name);
    for (const auto& device : outcome.pending)
        fmt::print("{}: {}: the guest has not let it go yet; `qvm status {}` tells when it has\n", name,
                   device, name);
    for (const auto& device : outcome.deferred)
        fmt::print("{}: {}: the guest does not run; it is asked to let it go when it does\n", name, device);
    for (const auto& refused : outcome.refused) fmt::print("{}: {}\n", name, escape_controls(refused));
    if (!outcome.pending.empty() || !outcome.deferred.empty() || !outcome.refused.empty())
        return ExitCode::UnplugPending;
    if (comparison.applied.restart_on_reboot)
        print_warning(
            fmt::format("{}: lifecycle.on-reboot = \"restart\": a reboot of the guest starts it again as "
                        "it was before this; `qvm restart {}` starts it as its file says",
                        name, name));
    const bool later = comparison.difference.has(launch::Action::NextStart) ||
                       (!replug && comparison.difference.has(launch::Action::Replug));
    const bool only_replugs = later && !comparison.difference.has(launch::Action::NextStart);
    fmt::print("{}: applied{}\n", name,
               only_replugs ? std::string("; `apply --replug` does the rest")
               : later      ? fmt::format("; `qvm restart {}` does the rest", name)
                            : std::string());
    return later ? ExitCode::NextStart : ExitCode::Ok;
}

ExitCode apply(const Arguments& arguments) {
    arguments.unplug_patience();  // throws before anything else
    Front front = Front::load(arguments.vm);
    if (front.diagnostics.has_errors() && front.report(false)) return ExitCode::Invalid;
    launch::VmState vm(launch::Directories::from_environment(), front.vm.name.value);
    running_state(front, vm);
    const Fd lock = lock_when_settled(vm, patience);
    Attached attached(vm);
    const Comparison comparison =
        compare(front, running_state(front, vm), observe(attached), arguments.fix_drift);
    front.check_host();
    if (front.report(false)) return ExitCode::Invalid;
    warn_of_drift(comparison.drift, vm.name(), arguments.fix_drift);
    warn_of_pending(comparison, vm.name());
    if (comparison.difference.empty()) {
        fmt::print("{}: nothing to change\n", vm.name());
        return ExitCode::Ok;
    }
    fmt::print("{}", launch::to_text(comparison.difference));
    std::fflush(stdout);
    if (!comparison.difference.has_live(arguments.replug)) {
        fmt::print("{}: nothing can be changed while it runs{}\n", vm.name(),
                   comparison.difference.has(launch::Action::Replug)
                       ? " without the guest seeing it: `apply --replug` does it"
                       : "");
        return ExitCode::NextStart;
    }
    if (!confirmed(arguments, vm.name())) {
        fmt::print("{}: nothing was changed\n", vm.name());
        return ExitCode::Usage;
    }
    return report(send(front, comparison, vm, attached, arguments), comparison, vm.name(), arguments.replug);
}

}  // namespace

void add_apply(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("apply", "Change a running VM to what its file says now");
    auto arguments = std::make_shared<Arguments>();
    arguments->vm.add_to(*verb);
    verb->add_flag("-y,--yes", arguments->yes, "do not ask");
    verb->add_flag("--replug", arguments->replug,
                   "also what the guest sees go and come again: a device with other properties");
    verb->add_flag("--fix-drift", arguments->fix_drift,
                   "also add again what somebody has taken away beside qvm");
    verb->add_option("--unplug-timeout", arguments->unplug_timeout,
                     "how long to wait for the guest to let devices go; default 10s")
        ->type_name("DURATION");
    verb->callback([arguments, &action] { action = [arguments] { return apply(*arguments); }; });
}

}  // namespace qvm::cli
