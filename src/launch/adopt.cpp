// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/adopt.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "launch/client_door.hpp"
#include "launch/plan.hpp"
#include "launch/spawner.hpp"
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
    for (const auto& door : doors_of(applied.compiled)) {
        try {
            vm.host->make(door.step);
        } catch (const Error& error) {
            vm.complaints.push_back(
                fmt::format("no further viewer can be let in until the next start: {}", error.what()));
        }
    }
    vm.qemu = std::make_unique<jail::Child>(jail::Child::found_again(std::move(stub), applied.process.pid,
                                                                     state.open_file("exit.json", O_RDONLY)));
    co_return vm;
}

awaitable<void> supervise(qmp::net::io_context& context, const VmState& state, Applied applied,
                          Fd spawner_line, Reporter& report, Ending& ending) {
    auto finding = find_again(context, state, applied);
    Started vm = co_await std::move(finding);
    vm.spawner_line = std::move(spawner_line);
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

/// A life of which the supervisor before knew all is over, and nobody here does: the next one is what the
/// file says now, as `qvm restart` does it.
int start_anew(VmState state) {
    const pid_t up = ::fork();
    if (up == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::execl("/proc/self/exe", "qvm", "up", state.name().c_str(), nullptr);
        std::perror("qvm: the VM cannot be started again");
        std::fflush(nullptr);
        ::_exit(static_cast<int>(ExitCode::VmDied));
    }
    int status = 0;
    while (up > 0 && ::waitpid(up, &status, 0) < 0 && errno == EINTR) {
    }
    if (up > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    auto applied = state.applied();
    if (applied && applied->phase == Applied::Phase::Starting && state.condition() == Condition::Stopped) {
        applied->phase = Applied::Phase::Ended;
        applied->ended =
            Json{{"how", "failed"},
                 {"detail", fmt::format("it did not start again: `qvm log {}` says why", state.name())}};
        state.write_applied(*applied);
    }
    return static_cast<int>(ExitCode::VmDied);
}

int supervise_in_child(const VmState& state, Fd& lock, Reporter report) {
    try {
        leave_terminal(state, false);
        // A lock that the caller holds lives as long as any copy of it.
        for (const int fd : open_descriptors(STDERR_FILENO + 1))
            if (fd != lock.get() && fd != report.pipe().get()) ::close(fd);
        auto applied = state.applied();
        if (!applied) throw Error(ExitCode::OutcomeUnknown, "its state file is gone");
        applied->spawner.reset();  // it has ended with its child
        Life life;
        if (needs_spawner(*applied)) {
            applied->spawner = ProcessRecord::of(::getpid());
            life = stay_behind_as_spawner(spawner_order(*applied, state, {&report.pipe(), &lock}));
        }
        if (life.number > 0) return start_anew(state);
        qmp::net::io_context context(1);
        Ending ending;
        auto supervising =
            supervise(context, state, std::move(*applied), std::move(life.line), report, ending);
        qmp::run(context, std::move(supervising));
        return ending.exit_status();
    } catch (const std::exception& error) {
        report.failed(describe(error) + '\n', ExitCode::RolledBack);
        return static_cast<int>(ExitCode::RolledBack);
    }
}

/// Empty when somebody else has given it one, or it needs none any more.
Fd lock_of_supervisor(VmState& vm) {
    const auto end = std::chrono::steady_clock::now() + 2 * monitor_patience;
    for (;;) {
        Fd lock = vm.try_lock_supervisor();
        if (lock || !can_be_adopted(vm)) return lock;
        if (std::chrono::steady_clock::now() > end)
            throw Error(ExitCode::OutcomeUnknown,
                        fmt::format("{}: somebody else gives it a supervisor", vm.name()),
                        fmt::format("`qvm status {}` tells what there is", vm.name()));
        std::this_thread::sleep_for(milliseconds(5));
    }
}

}  // namespace

bool can_be_adopted(const VmState& vm) {
    const auto condition = vm.condition();
    if (condition != Condition::Orphaned && condition != Condition::Starting) return false;
    const auto applied = vm.applied();
    return applied && applied->phase == Applied::Phase::Running;
}

UpOutcome adopt(VmState& vm) {
    Fd lock = lock_of_supervisor(vm);
    if (!lock) {
        UpOutcome outcome;
        outcome.running = vm.condition() == Condition::Running;
        return outcome;
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
