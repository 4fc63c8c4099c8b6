// SPDX-License-Identifier: GPL-3.0-or-later
#include <csignal>
#include <optional>
#include <thread>

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

/// A damaged file is as good as none: `kill` is what its message advises.
std::optional<launch::Applied> known_state(const launch::VmState& vm) {
    try {
        return vm.applied();
    } catch (const Error&) {
        return std::nullopt;
    }
}

/// The life that is to end. A start writes down who it is a moment after it has taken the locks, and a moment
/// before that the file tells of the life before: this waits for it.
std::optional<launch::Applied> present_life(const launch::VmState& vm) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto known = known_state(vm);
        const bool late = std::chrono::steady_clock::now() > end;
        if (late || (known && known->supervisor.open())) return known;
        if (vm.condition() != launch::Condition::Starting) return known_state(vm);
        std::this_thread::sleep_for(milliseconds(5));
    }
}

/// Without the supervisor's help: it goes first, so that nothing new begins and what it wrote last is the
/// truth; and before it the spawner, which would start the VM again. Only what `generation` has started: an
/// `up` that waited may begin the next one at any moment.
void kill_processes(const launch::VmState& vm, std::uint64_t generation) {
    const auto end = [](const launch::ProcessRecord& record) {
        const PidFd process = record.open();
        if (!process) return;
        process.send(SIGKILL);
        // A jail's lock is free a moment before the last process in it is gone.
        process.wait_ended(static_cast<int>(patience.count()));
    };
    const auto before = known_state(vm);
    if (before && before->generation != generation) return;
    if (before && before->spawner) end(*before->spawner);
    if (before && vm.condition() != launch::Condition::Orphaned) end(before->supervisor);
    const auto applied = known_state(vm);
    if (applied && applied->generation != generation) return;
    if (!applied)
        throw Error(ExitCode::OutcomeUnknown,
                    fmt::format("{} runs, but its processes are not known", vm.name()),
                    "its state file is gone or damaged: end the QEMU process by hand");
    if (applied->cgroup) jail::kill_cgroup(*applied->cgroup);
    end(applied->stub);
    for (const auto& [name, record] : applied->helpers) end(record);
}

ExitCode kill(const std::string& word) {
    launch::VmState vm = find_vm(word);
    if (vm.condition() == launch::Condition::Stopped) {
        tidy_up_after_end(vm);
        fmt::print("{}: is not running\n", vm.name());
        return ExitCode::Ok;
    }
    const auto life = present_life(vm);
    const auto generation = life ? life->generation : 0;
    if (!killed_by_supervisor(vm) && vm.condition() != launch::Condition::Stopped) {
        kill_processes(vm, generation);
        if (!wait_until_stopped(vm, patience))
            throw Error(
                ExitCode::TimedOut, fmt::format("{} does not end", vm.name()),
                "a process that hangs in the kernel cannot be killed; see `qvm status " + vm.name() + "`");
        const Fd lock = vm.lock_operation(patience);
        const auto after = known_state(vm);
        if (vm.condition() == launch::Condition::Stopped && (!after || after->generation == generation))
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
