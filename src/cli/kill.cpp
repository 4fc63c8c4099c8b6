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

/// Without the supervisor's help: its process first, so that nothing new begins, then the jail's pid 1 (by
/// the state, or by the lock it holds if the start did not come so far) and the helpers.
void kill_processes(const launch::VmState& vm) {
    const auto applied = vm.applied();
    if (applied && vm.condition() != launch::Condition::Orphaned)
        if (const PidFd supervisor = applied->supervisor.open()) {
            supervisor.send(SIGKILL);
            supervisor.wait_ended(static_cast<int>(patience.count()));
        }
    for (const pid_t pid : vm.vm_lock_holders())
        if (const PidFd holder = PidFd::open(pid)) {
            holder.send(SIGKILL);
            // The lock is free a moment before the last process of the jail is gone.
            holder.wait_ended(static_cast<int>(patience.count()));
        }
    if (!applied) return;
    for (const auto& [name, record] : applied->helpers)
        if (const PidFd helper = record.open()) helper.send(SIGKILL);
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
