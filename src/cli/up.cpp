// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <optional>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/compare.hpp"
#include "cli/console_verb.hpp"
#include "cli/front.hpp"
#include "cli/reference.hpp"
#include "cli/start_stop.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "cli/view.hpp"
#include "cli/wait_guest.hpp"
#include "config/dump.hpp"
#include "jail/landlock.hpp"
#include "launch/contain.hpp"
#include "launch/daemon.hpp"
#include "launch/find_program.hpp"
#include "launch/hooks.hpp"
#include "launch/jail_host.hpp"
#include "launch/new_image.hpp"

namespace qvm::cli {
namespace {

/// What `--wait` alone is for CLI11.
constexpr const char* any_sign = "true";

using Clock = std::chrono::steady_clock;

/// How long `up` waits for another verb that is at work on the same VM.
constexpr std::chrono::minutes patience{5};

/// What will be true of the VM once it runs.
launch::Applied intended_state(const Front& front, const std::string& accel, std::uint64_t generation,
                               unsigned spare_pcie_ports) {
    launch::Applied applied;
    applied.origin = front.document.files.front();
    applied.files = front.document.files;
    applied.overrides = front.sets;
    applied.compiled = launch::compiled(front.vm, spare_pcie_ports);
    applied.generation = generation;
    applied.qemu = front.probe->capabilities().to_string();
    applied.accel = accel;
    applied.jail = config::word_of(front.vm.jail_mode.value);
    applied.landlock = config::word_of(front.vm.jail.landlock.value);
    applied.on_violation = config::word_of(front.vm.jail.on_violation.value);
    applied.net = config::word_of(front.vm.jail.net.value);
    applied.attach = config::word_of(front.vm.attach_allow.value);
    applied.started = std::chrono::system_clock::now();
    applied.stop_timeout = front.vm.lifecycle.stop_timeout.value;
    applied.restart_on_reboot = front.vm.lifecycle.on_reboot.value == config::OnReboot::Restart;
    applied.ends_with_supervisor =
        front.vm.lifecycle.on_supervisor_death.value == config::OnSupervisorDeath::Kill;
    applied.on_helper_death = front.vm.lifecycle.on_helper_death.value;
    applied.restart_on_crash = front.vm.lifecycle.on_crash.value == config::OnCrash::Restart;
    for (const auto& hook : front.vm.lifecycle.hooks) {
        auto argv = hook.argv;
        argv[0] = launch::find_program(argv[0], {}).string();
        applied.hooks.push_back({hook.event, std::move(argv)});
    }
    applied.console = front.vm.console;
    return applied;
}

/// `up` of a VM that has processes already.
ExitCode already_there(const launch::VmState& vm, launch::Condition condition, const UpArguments& arguments) {
    if (condition == launch::Condition::Orphaned)
        throw Error(ExitCode::Usage,
                    fmt::format("the start of {} was interrupted, and something of it is left", vm.name()),
                    fmt::format("`qvm kill {}` ends it; then `up` starts it anew", vm.name()));
    // Anew: its devices keep the places they have.
    Front front = Front::load(arguments.vm);
    const Comparison comparison = compare(front, vm.applied().value());
    if (!front.diagnostics.has_errors() && comparison.difference.empty()) {
        fmt::print("{}: runs already, as its file says (for {})\n", vm.name(),
                   ago(comparison.applied.started));
        return ExitCode::Ok;
    }
    throw Error(
        ExitCode::Changes, fmt::format("{} runs, but its file has changed since it was started", vm.name()),
        fmt::format("`qvm plan {0}` shows how, `qvm apply {0}` changes what can be changed while it runs, "
                    "`qvm restart {0}` starts it anew",
                    front.paths.front()));
}

std::string describe_failure(const Front& front, const std::exception& failure) {
    const auto* ours = dynamic_cast<const Error*>(&failure);
    if (ours == nullptr) return fmt::format("qvm: internal error: {}\n", failure.what());
    std::string text;
    if (const auto* start = dynamic_cast<const launch::StartError*>(ours); start != nullptr) {
        Diagnostics findings;
        findings.sources = front.diagnostics.sources;
        for (const auto& finding : start->findings()) findings.add(finding);
        text = findings.to_text(wants_color(STDERR_FILENO));
    }
    return text + describe(*ours);
}

/// A limit that was asked for and cannot be had. The automatic one is only shown by `status`.
void warn_of_missing_limits(const launch::VmState& vm, const config::Limits& asked) {
    if (!asked.memory && !asked.cpu && !asked.pids && !asked.io_read && !asked.io_write) return;
    const auto applied = vm.applied();
    if (!applied || !applied->cgroup) return;
    for (const auto& sentence : applied->cgroup->missing) print_warning("limits." + sentence);
}

void print_running(const launch::VmState& vm, const launch::Applied& applied, Clock::time_point begun) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
    const auto console =
        applied.console.empty() ? std::string() : fmt::format("  console: qvm console {}", vm.name());
    fmt::print("{}: running ({}, jail {}, {} ms){}\n", vm.name(), applied.accel, applied.jail, took.count(),
               console);
    std::fflush(stdout);
}

std::string whose_uid(const config::JailOptions& jail) {
    if (::geteuid() != 0) return "; its uid is yours";
    return jail.user ? fmt::format("; its uid is that of the user {}", jail.user->value) : std::string();
}

void warn_of_reduced_jail(const config::JailOptions& jail) {
    print_warning(
        "jail.mode = \"reduced\": QEMU has no namespaces and no root of its own; it can see the names of the "
        "host's files, its processes and its network interfaces (qvm-jail(7))");
    const bool off = jail.landlock.value == config::JailLandlock::Off;
    const bool landlock = !off && jail::landlock_abi() > 0;
    if (!landlock)
        print_warning(fmt::format(
            "{}, and the jail has no root of its own: a guest that breaks out of QEMU can open every file "
            "that its uid can, and execute programs{}",
            off ? "jail.landlock = \"off\"" : "this kernel has no Landlock", whose_uid(jail)));
    if (jail.io_uring.value)
        print_warning(fmt::format(
            "jail.io-uring = true: io_uring goes past the filter, and the jail has no network of its own: a "
            "guest that breaks out of QEMU can reach the host's network, and every Unix socket that its uid "
            "can{}",
            landlock ? "" : "; without Landlock it can make, change and remove every file that its uid can"));
}

void print_made(const launch::VmState& vm, const std::vector<launch::MissingImage>& missing) {
    for (const auto& image : missing) fmt::print("{}: {}\n", vm.name(), image.once_made());
}

void print_running_again(const launch::VmState& vm) {
    fmt::print("{}: running again\n", vm.name());
    std::fflush(stdout);
}

/// The VM runs with or without it.
void open_window_or_tell(const launch::VmState& vm) {
    try {
        open_window(vm);
    } catch (const Error& error) {
        print_warning(error.advice().empty() ? error.what()
                                             : fmt::format("{}; {}", error.what(), error.advice()));
    }
}

/// --timeout, and whether --wait names something. Throws Error (Usage).
std::chrono::milliseconds patience_with_guest(const UpArguments& arguments) {
    const auto& signs = GuestSign::names();
    if (!arguments.wait.empty() && arguments.wait != any_sign &&
        std::ranges::find(signs, arguments.wait) == signs.end())
        throw Error(
            ExitCode::Usage,
            fmt::format("--wait={}: there is nothing of that name to wait for", arguments.wait),
            fmt::format("it takes {}, or --wait alone for the first of these that there is", join_or(signs)));
    const auto parsed = parse_duration(arguments.timeout);
    if (const auto* why = std::get_if<std::string>(&parsed))
        throw Error(ExitCode::Usage, "--timeout: " + *why);
    return std::get<std::chrono::milliseconds>(parsed);
}

/// Before the start: a VM that could never tell is not started for it.
std::optional<GuestSign> sign_asked_for(const launch::VmState& vm, const config::Vm& made,
                                        const std::string& wait) {
    if (wait.empty()) return std::nullopt;
    return GuestSign::of(vm, made, wait == any_sign ? "" : wait);
}

void wait_for(const std::optional<GuestSign>& sign, const launch::VmState& vm,
              std::chrono::milliseconds timeout) {
    if (sign) fmt::print("{}: {}\n", vm.name(), sign->wait(timeout));
}

launch::Plan make_plan(const Front& front) {
    const auto accel = front.usable_accelerator();
    if (front.vm.jail_mode.value == config::JailMode::Off)
        print_warning(
            "jail.mode = \"off\": QEMU runs with all your rights; a guest that breaks out of it has them "
            "too");
    if (front.vm.jail_mode.value == config::JailMode::Reduced) warn_of_reduced_jail(front.vm.jail);
    if (front.vm.jail_mode.value != config::JailMode::Off && front.vm.jail.net.value == config::JailNet::Host)
        print_warning(
            "jail.net = \"host\": QEMU has the host's network; a guest that breaks out of it reaches what "
            "the host reaches, and the host's services on 127.0.0.1");
    return front.compile(accel);
}

/// Takes the locks a running VM needs; both are free, or another program holds them.
void take_locks(launch::VmState& vm, launch::UpOrder& order) {
    order.supervisor_lock = vm.try_lock_supervisor();
    order.start.vm_lock = vm.try_lock_vm();
    if (!order.supervisor_lock || !order.start.vm_lock)
        throw Error(ExitCode::Usage, fmt::format("{} is still ending", vm.name()), "try again in a moment");
}

}  // namespace

ExitCode up(const UpArguments& arguments) {
    const auto begun = Clock::now();
    const auto guest_patience = patience_with_guest(arguments);
    launch::UpOrder order;
    order.inherited = open_descriptors(STDERR_FILENO + 1);
    Front front = Front::load(arguments.vm);
    // libseccomp takes as long for it as the checks below take, and other processors are idle.
    auto filter = std::async(std::launch::async, launch::filter_for, launch::filter_options(front.vm),
                             launch::violation_of(front.vm.jail));
    const auto spare_pcie_ports = front.vm.spare_pcie_ports.value;
    front.check();
    front.check_host();
    if (front.report(false)) return ExitCode::Invalid;
    order.start.plan = make_plan(front);

    const auto directories = launch::Directories::from_environment();
    if (!directories.runtime_warning.empty()) print_warning(directories.runtime_warning);
    launch::VmState vm(directories, front.vm.name.value);
    const auto sign = sign_asked_for(vm, front.vm, arguments.wait);
    const auto notice = vm.claim(front.document.files.front());
    if (!notice.empty()) print_warning(notice);
    order.operation_lock = lock_when_settled(vm, patience);
    const auto previous = vm.applied();
    // Its supervisor is tidying up: a matter of milliseconds.
    if (previous && previous->phase == launch::Applied::Phase::Ended)
        wait_until_stopped(vm, launch::patience_for_end(*previous, std::chrono::seconds(10)));
    order.applied = intended_state(front, order.start.plan.accel, previous ? previous->generation + 1 : 1,
                                   spare_pcie_ports);
    // It has the same place and name each time: should this start end before it can say so, that is known.
    if (previous) order.applied.cgroup = previous->cgroup;
    adopt_orphan(vm);
    const auto condition = vm.condition();
    if (condition != launch::Condition::Stopped) {
        const auto code = already_there(vm, condition, arguments);
        wait_for(sign, vm, guest_patience);
        return arguments.console ? attend_console(vm, "^]") : code;
    }
    take_locks(vm, order);
    // It may have ended without a supervisor.
    remove_cgroup(vm);
    order.start.vm = front.vm;
    order.start.binary = front.probe->binary();
    order.applied.ids = order.start.host_ids = launch::ids_for(front.vm.jail, vm);
    order.start.filter = filter.get();

    const auto missing = launch::missing_images(front.vm);
    std::optional<ProgressLine> line(std::in_place);
    const auto progress = [&](const std::string& title, std::size_t index, std::size_t count) {
        line->show(step_text(vm.name(), index + 1, count, title));
    };
    const auto failed = [&](const std::exception& failure) { return describe_failure(front, failure); };
    const launch::Applied applied = order.applied;
    if (arguments.foreground) {
        // A reader of our output that has gone must not orphan the VM.
        std::signal(SIGPIPE, SIG_IGN);
        const auto ending = launch::up_in_foreground(std::move(order), vm, progress, [&](unsigned restarts) {
            if (restarts > 0) {
                print_running_again(vm);
                return;
            }
            warn_of_missing_limits(vm, front.vm.limits);
            print_made(vm, missing);
            print_running(vm, applied, begun);
            // The process has no right to start another one any more.
            if (front.vm.opens_window) fmt::print("{0}: `qvm view {0}` opens its window\n", vm.name());
            std::fflush(stdout);
        });
        fmt::print("{}: ended: {}\n", vm.name(), ending.detail);
        return static_cast<ExitCode>(ending.exit_status());
    }
    const auto outcome = launch::up_in_background(std::move(order), vm, failed, progress);
    if (!outcome.running) {
        std::fputs(outcome.failure.c_str(), stderr);
        return outcome.exit_code;
    }
    warn_of_missing_limits(vm, front.vm.limits);
    line.reset();
    print_made(vm, missing);
    print_running(vm, applied, begun);
    if (front.vm.opens_window) open_window_or_tell(vm);
    wait_for(sign, vm, guest_patience);
    if (arguments.console) return attend_console(vm, "^]");
    // What is left would be to take the schema apart, which takes a good part of what a start does.
    std::fflush(nullptr);
    std::_Exit(static_cast<int>(ExitCode::Ok));
}

void add_up(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("up", "Start a VM");
    auto arguments = std::make_shared<UpArguments>();
    arguments->vm.add_to(*verb);
    auto* console =
        verb->add_flag("--console", arguments->console, "talk to its console then; Ctrl-] then . leaves");
    auto* foreground = verb->add_flag("--foreground", arguments->foreground,
                                      "stay until the VM ends; SIGTERM and Ctrl-C stop it")
                           ->excludes(console);
    auto* wait = verb->add_flag("--wait", arguments->wait,
                                "until the guest answers: --wait=ssh, agent or console; default: the first "
                                "of these that it has")
                     ->excludes(console)
                     ->excludes(foreground);
    verb->add_option("--timeout", arguments->timeout, "how long to wait at most; default: 5m")
        ->type_name("DURATION")
        ->needs(wait);
    verb->callback([arguments, &action] { action = [arguments] { return up(*arguments); }; });
}

}  // namespace qvm::cli
