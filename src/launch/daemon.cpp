// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/daemon.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "launch/limits.hpp"
#include "launch/spawner.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

/// What Ctrl-C, a closed terminal and SIGTERM do while the VM starts: end it, so that the start fails and
/// undoes itself.
class Interruption {
  public:
    explicit Interruption(qmp::net::io_context& context) : signals_(context, SIGTERM, SIGINT) {
        struct sigaction hangup {};
        if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) signals_.add(SIGHUP);
        signals_.async_wait([this](boost::system::error_code error, int number) {
            if (error) return;
            number_ = number;
            if (stub_) stub_.send(SIGKILL);
        });
    }
    /// From now on there is something to end.
    void arm(const ProcessRecord& stub) { stub_ = stub.open(); }
    /// Throws in place of `failure` when that is only its consequence.
    void explain(const std::string& vm) const {
        if (number_ != 0)
            throw Error(ExitCode::RolledBack,
                        fmt::format("the start of {} was interrupted by signal {}", vm, number_),
                        "everything was undone");
    }

  private:
    qmp::net::signal_set signals_;
    int number_ = 0;
    PidFd stub_;
};

/// The start has failed; what could not even be written down is less important than why.
void record_failure(VmState& state, Applied& applied) noexcept {
    try {
        applied.phase = Applied::Phase::Ended;
        applied.ended = Json::object();
        applied.ended["how"] = "failed";
        applied.ended["detail"] =
            applied.restarts == 0
                ? "it did not start"
                : fmt::format("it did not start again: `qvm log {}` says why", state.name());
        state.write_applied(applied);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    state.remove_runtime();
}

/// A VM that is started again is locked like one that is started; and without its spawner it shall not be.
void begin_again(UpOrder& order, VmState& state) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    constexpr std::chrono::minutes patience{2};
    order.operation_lock = state.lock_operation(patience);
    if (::getppid() != order.applied.spawner->pid)
        throw Error(ExitCode::RolledBack, state.name() + " is not started again: it was ended meanwhile");
    order.applied.started = std::chrono::system_clock::now();
}

/// The supervisor's whole life, in whichever process.
qmp::net::awaitable<void> supervise(qmp::net::io_context& context, UpOrder& order, const VmState& state,
                                    Progress progress, const std::function<void()>& running, Ending& ending) {
    VmState own = state;
    if (order.applied.restarts > 0) begin_again(order, own);
    own.create();  // the end of an earlier start took the runtime directory away
    order.applied.phase = Applied::Phase::Starting;
    order.applied.supervisor = ProcessRecord::of(::getpid());
    own.write_applied(order.applied);
    // Should this process die before the end of the start, `kill` must find what it has left.
    auto interruption = std::make_unique<Interruption>(context);
    const Spawned spawned = [&](const PidFd& stub, const HostResources& host) {
        order.applied.stub = ProcessRecord::of(stub.pid());
        order.applied.helpers = host.helpers();
        own.write_applied(order.applied);
        interruption->arm(order.applied.stub);
    };
    std::unique_ptr<Supervisor> supervisor;
    std::exception_ptr failure;
    try {
        order.start.cgroup = make_cgroup(order.start.vm, order.start.plan, own);
        const bool known = order.applied.cgroup.has_value();
        order.applied.cgroup.reset();
        if (order.start.cgroup) order.applied.cgroup = order.start.cgroup->record();
        if (known || order.applied.cgroup) own.write_applied(order.applied);
        const auto harden = [&own](const Started& vm) { harden_supervisor(vm, own); };
        auto starting = start(context, std::move(order.start), state, spawned, harden, std::move(progress));
        Started vm = co_await std::move(starting);
        vm.spawner_line = std::move(order.spawner_line);
        supervisor = std::make_unique<Supervisor>(context, std::move(vm), state, order.applied);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        record_failure(own, order.applied);
        interruption->explain(own.name());
        std::rethrow_exception(failure);
    }
    interruption.reset();
    order.operation_lock.reset();
    ::prctl(PR_SET_PDEATHSIG, 0);
    running();
    auto serving = supervisor->serve();
    ending = co_await std::move(serving);
    context.stop();
}

Progress adapt(const ReportProgress& report) {
    return [&report](std::size_t index, const Plan& plan) {
        report(step_title(plan.steps[index]), index, plan.steps.size());
    };
}

/// From here on in a process for this life of the VM, if it needs a spawner.
void enter_life(UpOrder& order, const VmState& state, std::vector<Fd*> first_life_only) {
    if (!needs_spawner(order.applied)) return;
    order.applied.spawner = ProcessRecord::of(::getpid());
    // One that starts nothing again has no use for the locks, and they tell of a VM that runs.
    if (!order.applied.starts_again())
        for (Fd* lock : {&order.supervisor_lock, &order.start.vm_lock}) first_life_only.push_back(lock);
    Life life = stay_behind_as_spawner(spawner_order(order.applied, state, std::move(first_life_only)));
    order.applied.restarts = life.number;
    order.spawner_line = std::move(life.line);
}

/// The child's side of up_in_background; its return value is the process's exit status.
int supervise_in_child(UpOrder& order, const VmState& state, const DescribeFailure& describe,
                       Reporter report) {
    try {
        leave_terminal(state, true);
        // A lock, a pipe that a script waits for: not ours to keep for as long as the VM lives.
        for (const int fd : order.inherited) ::close(fd);
        enter_life(order, state, {&report.pipe(), &order.operation_lock});
        qmp::net::io_context context(1);
        Ending ending;
        const ReportProgress progress = [&](const std::string& title, std::size_t index, std::size_t count) {
            report.progress(title, index, count);
        };
        const auto running = [&] { report.running({}); };
        qmp::run(context, supervise(context, order, state, adapt(progress), running, ending));
        return ending.exit_status();
    } catch (const std::exception& error) {
        const auto* ours = dynamic_cast<const Error*>(&error);
        const auto code = ours != nullptr ? ours->exit_code() : ExitCode::Usage;
        report.failed(describe(error), code);
        return static_cast<int>(code);
    }
}

}  // namespace

UpOutcome up_in_background(UpOrder order, const VmState& state, const DescribeFailure& describe,
                           const ReportProgress& progress) {
    const auto child = [&](Reporter report) {
        return supervise_in_child(order, state, describe, std::move(report));
    };
    // The locks live as long as any copy of their descriptors: from here on only the supervisor's count.
    const auto parent = [&] { order = UpOrder{}; };
    return run_in_background(child, parent, progress);
}

Ending up_in_foreground(UpOrder order, const VmState& state, const ReportProgress& progress,
                        const std::function<void(unsigned restarts)>& running) {
    enter_life(order, state, {&order.operation_lock});
    qmp::net::io_context context(1);
    Ending ending;
    const auto running_now = [&] { running(order.applied.restarts); };
    qmp::run(context, supervise(context, order, state, adapt(progress), running_now, ending));
    return ending;
}

}  // namespace qvm::launch
