// SPDX-License-Identifier: GPL-3.0-or-later
#include <csignal>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/control.hpp"

namespace qvm::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds patience{5'000};

/// Asks the supervisor, so that it can write down why. False when it did not do it in time.
bool killed_by_supervisor(const launch::VmState& vm) {
    try {
        Attached attached(vm);
        if (attached.orphaned()) return false;
        attached.execute(launch::control::kill, Json::object(), patience);
        return wait_until_stopped(vm, patience);
    } catch (const Error&) {
        // Whatever is wrong with it, the processes can still be ended.
        return false;
    }
}

/// Without the supervisor's help: it goes first, so that nothing new begins and what it wrote last is the
/// truth.
void kill_processes(const launch::VmState& vm) {
    const auto end = [](const launch::ProcessRecord& record) {
        const PidFd process = record.open();
        if (!process) return;
        process.send(SIGKILL);
        // A jail's lock is free a moment before the last process in it is gone.
        process.wait_ended(static_cast<int>(patience.count()));
    };
    const auto before = vm.applied();
    if (before && vm.condition() != launch::Condition::Orphaned) end(before->supervisor);
    const auto applied = vm.applied();
    if (!applied)
        throw Error(ExitCode::OutcomeUnknown,
                    fmt::format("{} runs, but its processes are not known", vm.name()),
                    "its state file is gone: end the QEMU process by hand");
    end(applied->stub);
    for (const auto& [name, record] : applied->helpers) end(record);
}

ExitCode kill(const std::string& word) {
    launch::VmState vm = find_vm(word);
    if (vm.condition() == launch::Condition::Stopped) {
        fmt::print("{}: is not running\n", vm.name());
        return ExitCode::Ok;
    }
    if (!killed_by_supervisor(vm) && vm.condition() != launch::Condition::Stopped) {
        kill_processes(vm);
        if (!wait_until_stopped(vm, patience))
            throw Error(
                ExitCode::TimedOut, fmt::format("{} does not end", vm.name()),
                "a process that hangs in the kernel cannot be killed; see `qvm status " + vm.name() + "`");
        tidy_up_orphan(vm, "killed", "killed by qvm kill");
    }
    fmt::print("{}: killed\n", vm.name());
    return ExitCode::Ok;
}

}  // namespace

void add_kill(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("kill", "End a VM at once, as if its plug were pulled");
    auto word = std::make_shared<std::string>();
    add_name(*verb, *word);
    verb->callback([word, &action] { action = [word] { return kill(*word); }; });
}

}  // namespace qvm::cli
