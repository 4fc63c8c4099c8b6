// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/adopt.hpp"

#include <fcntl.h>
#include <memory>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "launch/plan.hpp"
#include "launch/supervisor.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

using qmp::net::awaitable;
using std::chrono::milliseconds;

constexpr milliseconds monitor_patience{10'000};

/// The VM as start() has left it to the supervisor before. Nothing of it is ended when it is destroyed.
awaitable<Started> find_again(qmp::net::io_context& context, const VmState& state, const Applied& applied) {
    PidFd stub = applied.stub.open();
    if (!stub) throw Error(ExitCode::OutcomeUnknown, state.name() + " runs, but its process is not known");
    Started vm;
    vm.monitor = std::make_unique<qmp::Client>(
        qmp::Client::connect_unix(context, state.socket(monitor_socket).string()));
    auto greeting = vm.monitor->handshake(monitor_patience);
    vm.greeting = co_await std::move(greeting);
    if (applied.cgroup)
        vm.cgroup = std::make_unique<jail::Cgroup>(jail::Cgroup::found_again(*applied.cgroup));
    vm.host = std::make_unique<HostResources>(state, vm.cgroup.get(), applied.ids);
    vm.host->take_over(applied.sockets);
    vm.qemu = std::make_unique<jail::Child>(jail::Child::found_again(std::move(stub), applied.process.pid,
                                                                     state.open_file("exit.json", O_RDONLY)));
    co_return vm;
}

awaitable<void> supervise(qmp::net::io_context& context, const VmState& state, Applied applied,
                          Reporter& report, Ending& ending) {
    applied.spawner.reset();  // it has ended with its child
    auto finding = find_again(context, state, applied);
    Started vm = co_await std::move(finding);
    harden_supervisor(vm, state);
    Supervisor supervisor(context, std::move(vm), state, std::move(applied));
    auto resuming = supervisor.resume();
    report.running(co_await std::move(resuming));
    auto serving = supervisor.serve();
    ending = co_await std::move(serving);
    context.stop();
}

std::string describe(const std::exception& failure) {
    std::string text = failure.what();
    if (const auto* ours = dynamic_cast<const Error*>(&failure); ours != nullptr && !ours->advice().empty())
        text += fmt::format("\n{}", ours->advice());
    return text;
}

int supervise_in_child(const VmState& state, const Fd& lock, Reporter report) {
    try {
        leave_terminal(state, false);
        // A lock that the caller holds lives as long as any copy of it.
        for (const int fd : open_descriptors(STDERR_FILENO + 1))
            if (fd != lock.get() && fd != report.pipe().get()) ::close(fd);
        auto applied = state.applied();
        if (!applied) throw Error(ExitCode::OutcomeUnknown, "its state file is gone");
        qmp::net::io_context context(1);
        Ending ending;
        qmp::run(context, supervise(context, state, std::move(*applied), report, ending));
        return ending.exit_status();
    } catch (const std::exception& error) {
        report.failed(describe(error) + '\n', ExitCode::RolledBack);
        return static_cast<int>(ExitCode::RolledBack);
    }
}

/// Somebody else is at it.
void wait_for_other(const VmState& vm) {
    const auto end = std::chrono::steady_clock::now() + 2 * monitor_patience;
    while (vm.condition() == Condition::Starting && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(milliseconds(5));
}

}  // namespace

bool can_be_adopted(const VmState& vm) {
    if (vm.condition() != Condition::Orphaned) return false;
    const auto applied = vm.applied();
    return applied && applied->phase == Applied::Phase::Running;
}

UpOutcome adopt(VmState& vm) {
    Fd lock = vm.try_lock_supervisor();
    if (!lock) {
        wait_for_other(vm);
        UpOutcome outcome;
        outcome.running = vm.condition() == Condition::Running;
        if (outcome.running) return outcome;
        throw Error(ExitCode::OutcomeUnknown,
                    fmt::format("{}: somebody else gives it a supervisor", vm.name()),
                    fmt::format("`qvm status {}` tells what there is", vm.name()));
    }
    const auto child = [&](Reporter report) { return supervise_in_child(vm, lock, std::move(report)); };
    const auto parent = [&] { lock.reset(); };
    auto outcome = run_in_background(child, parent, [](const auto&...) {});
    if (outcome.running) return outcome;
    if (vm.condition() == Condition::Stopped)
        throw Error(ExitCode::VmDied, fmt::format("{} ended while it was given a new supervisor", vm.name()),
                    fmt::format("`qvm status {0}` and `qvm log {0}` tell more", vm.name()));
    throw Error(
        outcome.exit_code == ExitCode::Ok ? ExitCode::RolledBack : outcome.exit_code,
        fmt::format("{} could not be given a new supervisor: {}", vm.name(), outcome.failure),
        fmt::format("the guest runs on; `qvm stop {0}` and `qvm kill {0}` work all the same", vm.name()));
}

}  // namespace qvm::launch
