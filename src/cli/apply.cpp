// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/compare.hpp"
#include "cli/deliver.hpp"
#include "cli/plan_file.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/apply_report.hpp"
#include "launch/new_image.hpp"

namespace qvm::cli {
namespace {

constexpr std::chrono::minutes patience{5};

struct Arguments {
    FileArguments vm;
    bool yes = false;
    bool json = false;
    PlanOptions plan;
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

void print_lines(const char* begin, const std::vector<std::string>& titles) {
    for (const auto& title : titles) fmt::print(stderr, "  {}{}\n", begin, escape_controls(title));
}

/// It failed, or was stopped.
void print_failure(const launch::ApplyOutcome& outcome, const std::string& name) {
    const auto where = outcome.origin.empty() ? std::string() : outcome.origin + ": ";
    if (outcome.cancelled)
        fmt::print(stderr, "{}: stopped\n", name);
    else
        fmt::print(stderr, "{}{}: {} failed: {}\n", where, name, outcome.failed,
                   escape_controls(outcome.reason));
    if (outcome.died) {
        fmt::print(stderr, "  `qvm status {0}` and `qvm log {0}` tell more\n", name);
        return;
    }
    print_lines("not undone: ", outcome.not_undone);
    if (launch::exit_code_of(outcome, launch::Rest::Nothing) == ExitCode::RolledBack) {
        fmt::print(stderr, "  everything was undone: {} is as it was\n", name);
        return;
    }
    print_lines("done before: ", outcome.done);
    print_lines("not done: ", outcome.left);
    fmt::print(stderr, "  `qvm plan` shows what is left to do\n");
}

void print_waiting(const launch::ApplyOutcome& outcome, const std::string& name) {
    for (const auto& device : outcome.pending)
        fmt::print("{}: {}: the guest has not let it go yet; `qvm status {}` tells when it has\n", name,
                   device, name);
    for (const auto& device : outcome.deferred)
        fmt::print("{}: {}: the guest does not run; it is asked to let it go when it does\n", name, device);
    for (const auto& refused : outcome.refused) fmt::print("{}: {}\n", name, escape_controls(refused));
}

const char* replug_command(bool fix_drift) {
    return fix_drift ? "apply --fix-drift --replug" : "apply --replug";
}

void print_applied(launch::Rest rest, const std::string& name, bool fix_drift) {
    switch (rest) {
        case launch::Rest::Nothing:
            fmt::print("{}: applied\n", name);
            return;
        case launch::Rest::Replugs:
            fmt::print("{}: applied; `{}` does the rest\n", name, replug_command(fix_drift));
            return;
        case launch::Rest::NextStart:
            fmt::print("{}: applied; `qvm restart {}` does the rest\n", name, name);
            return;
    }
}

void print_outcome(const launch::ApplyOutcome& outcome, launch::Rest rest, const std::string& name,
                   bool fix_drift) {
    const bool stopped = !outcome.failed.empty() || outcome.cancelled;
    if (stopped) print_failure(outcome, name);
    print_waiting(outcome, name);
    if (!stopped && launch::exit_code_of(outcome, rest) != ExitCode::UnplugPending)
        print_applied(rest, name, fix_drift);
}

/// QEMU is started anew as `up` did it.
void warn_of_restarts(const Comparison& comparison, const launch::ApplyOutcome& outcome,
                      const std::string& name) {
    if (!comparison.applied.starts_again() || !outcome.failed.empty() || outcome.done.empty()) return;
    const bool of_reboot = comparison.applied.restart_on_reboot;
    print_warning(
        fmt::format("{}: lifecycle.{} = \"restart\": {} starts it again as it was before this; "
                    "`qvm restart {}` starts it as its file says",
                    name, of_reboot ? "on-reboot" : "on-helper-death",
                    of_reboot ? "a reboot of the guest" : "the death of a helper", name));
}

/// The words of a saved plan in the place of the caller's.
Arguments arguments_of(const launch::SavedPlan& plan, Arguments given) {
    if (!given.vm.files.empty() || !given.vm.sets.empty() || given.plan.replug || given.plan.fix_drift)
        throw Error(
            ExitCode::Usage,
            fmt::format("'{}' is a saved plan: it says -f, --set, --unset, --replug and --fix-drift itself",
                        given.vm.target),
            "give these to `qvm plan -o`");
    given.vm = {};
    for (const auto& file : plan.files) given.vm.files.push_back(file.path.string());
    given.vm.sets = plan.overrides;
    given.plan = {plan.replug, plan.fix_drift};
    given.yes = true;  // the plan was the question
    std::error_code error;
    if (!plan.overrides.empty()) std::filesystem::current_path(plan.directory, error);
    if (error)
        throw Error(ExitCode::Invalid,
                    fmt::format("the directory that the plan's --set are relative to, '{}': {}",
                                plan.directory.string(), error.message()),
                    "plan anew");
    return given;
}

/// What is said on the way, to people only.
void say(const Arguments& arguments, const std::string& text) {
    if (arguments.json) return;
    fmt::print("{}", text);
    std::fflush(stdout);
}

/// Asks, where it has to.
bool wanted(const Arguments& arguments, const launch::Difference& difference, const std::string& name) {
    say(arguments, launch::to_text(difference));
    if (arguments.json && !arguments.yes && ::isatty(STDERR_FILENO) == 1)
        fmt::print(stderr, "{}", launch::to_text(difference));
    if (confirmed(arguments, name)) return true;
    say(arguments, fmt::format("{}: nothing was changed\n", name));
    return false;
}

std::string nothing_live(const launch::Difference& difference, const std::string& name, bool fix_drift) {
    if (!difference.has(launch::Action::Replug))
        return fmt::format("{0}: nothing can be changed while it runs; `qvm restart {0}` does it\n", name);
    return fmt::format("{}: nothing can be changed while it runs without the guest seeing it: `{}` does it\n",
                       name, replug_command(fix_drift));
}

/// True, and reported, when the files cannot be applied.
bool has_errors(Front& front, launch::ApplyReport& report) {
    if (!front.diagnostics.has_errors()) return false;
    report.findings = front.diagnostics.to_json();
    return front.report(false);
}

/// Throws when the files are not those of the saved plan.
void expect_same_files(const launch::SavedPlan& saved, const Front& front, const std::string& path) {
    auto now = saved;
    now.files = saved_files(front.texts);
    now.inherited = saved_files(front.document.inherited);
    expect_current(saved, now, path);
}

ExitCode apply(const Arguments& given, launch::ApplyReport& report) {
    const Delivery delivery{given.plan.replug, given.unplug_patience()};  // throws before anything else
    const auto saved = read_plan_file(given.vm.target);
    const Arguments arguments = saved ? arguments_of(*saved, given) : given;
    Front front = Front::load(arguments.vm);
    report.vm = front.vm.name.value;
    if (saved) expect_same_files(*saved, front, given.vm.target);
    if (has_errors(front, report)) return ExitCode::Invalid;
    launch::VmState vm(launch::Directories::from_environment(), front.vm.name.value);
    running_state(front, vm);
    const Fd lock = lock_when_settled(vm, patience);
    Attached attached(vm);
    const auto applied = running_state(front, vm);
    const Comparison comparison =
        compare(front, applied, observe(attached, applied.compiled), arguments.plan.fix_drift);
    const auto now = plan_of(front, comparison, arguments.plan);
    report.generation = now.generation;
    report.revision = now.revision;
    report.changes = now.changes;
    front.check_host();
    if (has_errors(front, report)) return ExitCode::Invalid;
    if (saved) expect_current(*saved, now, given.vm.target);
    front.report(false);
    warn_of_drift(comparison.drift, vm.name(), arguments.plan.fix_drift);
    warn_of_pending(comparison, vm.name());
    const auto& difference = comparison.difference;
    if (difference.empty()) {
        say(arguments, fmt::format("{}: nothing to change\n", vm.name()));
        return ExitCode::Ok;
    }
    if (!difference.has_live(arguments.plan.replug)) {
        say(arguments,
            launch::to_text(difference) + nothing_live(difference, vm.name(), arguments.plan.fix_drift));
        return ExitCode::NextStart;
    }
    if (!wanted(arguments, difference, vm.name())) return ExitCode::Usage;
    const auto missing = launch::missing_images(front.vm);
    report.outcome =
        deliver(front, comparison, vm, attached, {arguments.plan.replug, delivery.unplug_patience});
    const auto rest = launch::rest_of(difference, arguments.plan.replug);
    for (const auto& image : missing)
        if (std::filesystem::exists(image.path))
            say(arguments, fmt::format("{}: {}\n", vm.name(), image.once_made()));
    if (!arguments.json) print_outcome(report.outcome, rest, vm.name(), arguments.plan.fix_drift);
    warn_of_restarts(comparison, report.outcome, vm.name());
    return launch::exit_code_of(report.outcome, rest);
}

/// One object on standard output, whatever happens.
ExitCode apply_as_json(const Arguments& arguments) {
    launch::ApplyReport report;
    try {
        report.code = apply(arguments, report);
    } catch (const Error& error) {
        print_error(error);
        report.code = error.exit_code();
        report.error = error.what();
        report.advice = error.advice();
    }
    fmt::print("{}\n", report.to_json().dump(2, ' ', false, Json::error_handler_t::replace));
    return report.code;
}

}  // namespace

void add_apply(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("apply", "Change a running VM to what its file says now");
    auto arguments = std::make_shared<Arguments>();
    arguments->vm.add_to(*verb);
    verb->add_flag("-y,--yes", arguments->yes, "do not ask");
    verb->add_flag("--replug", arguments->plan.replug,
                   "also what the guest sees go and come again: a device with other properties");
    verb->add_flag("--fix-drift", arguments->plan.fix_drift,
                   "also add again what somebody has taken away beside qvm, and helpers that died");
    verb->add_option("--unplug-timeout", arguments->unplug_timeout,
                     "how long to wait for the guest to let devices go; default 10s")
        ->type_name("DURATION");
    verb->add_flag("--json", arguments->json, "what was done as one JSON object on standard output");
    verb->callback([arguments, &action] {
        action = [arguments] {
            if (arguments->json) return apply_as_json(*arguments);
            launch::ApplyReport report;
            return apply(*arguments, report);
        };
    });
}

}  // namespace qvm::cli
