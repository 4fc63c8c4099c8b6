// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/start.hpp"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <sys/resource.h>

#include <fmt/format.h>

#include "launch/contain.hpp"
#include "launch/hardware.hpp"
#include "launch/last_words.hpp"
#include "launch/limits.hpp"
#include "launch/pinning.hpp"
#include "launch/socket_access.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

constexpr std::chrono::seconds greeting_deadline{60};

/// How long who connects to a vhost-user nic may take; QEMU says nothing before.
constexpr std::chrono::seconds peer_deadline{30};
constexpr std::chrono::milliseconds between_looks{5};

/// How long a QEMU that has closed its monitor may take to be gone.
constexpr int last_breath_ms = 5'000;

/// QEMU names the option it objects to and repeats its argument: that leads back to the file.
std::vector<Diagnostic> blame(const Plan& plan, const std::vector<std::string>& words) {
    std::vector<Diagnostic> findings;
    for (const auto& line : words) {
        for (const auto& step : plan.steps) {
            const auto* argv = std::get_if<ArgvStep>(&step.action);
            if (argv == nullptr || argv->words.size() < 2 || !step.origin.known()) continue;
            const auto echo = argv->words[0] + ' ' + argv->words[1];
            const auto found = line.find(echo);
            if (found == std::string::npos) continue;
            auto text = line.substr(found + echo.size());
            while (text.starts_with(':') || text.starts_with(' ')) text.erase(0, 1);
            Diagnostic d{DiagnosticKind::QemuRefused,
                         step.origin,
                         fmt::format("QEMU refused {}: {}", step.resource.to_string(), text),
                         {},
                         {}};
            findings.push_back(std::move(d));
        }
    }
    return findings;
}

/// QEMU is gone or going: how, and what did it say?
StartError death(Started& vm, const Plan& plan, const VmState& state, const std::string& when) {
    const auto status = vm.qemu->wait(last_breath_ms);
    const auto words = last_words(state, "qemu.log", 12);
    const auto how = status ? status->to_string() : std::string("closed its monitor and hangs");
    auto advice = quoted_words(words, "QEMU");
    if (!advice.empty()) advice += '\n';
    if (vm.cgroup && jail::reached_memory_limit(vm.cgroup->record()))
        advice += "the kernel killed it because the VM had reached limits.memory\n";
    if (plan.accel == "kvm") advice += "machine.accel = \"tcg\" starts it without kvm, if that is to blame\n";
    advice += fmt::format("everything was undone; `qvm log {}` shows QEMU's whole log", state.name());
    return StartError(fmt::format("{}: QEMU {} {}", state.name(), how, when), blame(plan, words), advice);
}

/// The steps of sockets for which QEMU waits until somebody connects to them.
std::vector<std::size_t> awaited_peers(const Plan& plan) {
    std::vector<std::size_t> awaited;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const auto* host = std::get_if<HostStep>(&plan.steps[i].action);
        if (host != nullptr && std::holds_alternative<PlaceSocket>(host->action)) awaited.push_back(i);
    }
    return awaited;
}

/// QEMU makes them as soon as it reads its options; or has ended.
qmp::net::awaitable<void> publish_sockets(Started& vm) {
    for (auto left = greeting_deadline / between_looks; left > 0; --left) {
        if (vm.host->publish_sockets()) co_return;
        if (vm.qemu->wait(0)) co_return vm.host->give_up_places();
        auto pause = qmp::sleep_for(between_looks);
        co_await std::move(pause);
    }
    vm.host->give_up_places();
}

/// Nothing in QEMU's answers tells which of several is missing.
StartError no_peer(const Plan& plan, const std::vector<std::size_t>& awaited, const VmState& state) {
    std::vector<std::string> sockets;
    for (const auto i : awaited) {
        const auto& socket = std::get<PlaceSocket>(std::get<HostStep>(plan.steps[i].action).action);
        sockets.push_back('\'' + socket.path.string() + '\'');
    }
    const Step& first = plan.steps[awaited.front()];
    return StartError(
        fmt::format("{}: nobody connected to {} within {} seconds", state.name(), fmt::join(sockets, " and "),
                    peer_deadline.count()),
        {{DiagnosticKind::QemuRefused,
          first.origin,
          fmt::format("QEMU does not go on before the switch of {} has connected",
                      first.resource.to_string()),
          {},
          {}}},
        "have the switch connect there, as Open vSwitch does for a port of type dpdkvhostuserclient, and try "
        "again; QEMU was ended");
}

StartError refusal(const StepError& error, const VmState& state) {
    if (error.cause() == StepError::Cause::Refused)
        return StartError(fmt::format("{} was not started: QEMU refused a part of it", state.name()),
                          {error.diagnostic()}, "QEMU was ended; nothing is left behind");
    const auto words = last_words(state, "qemu.log", 12);
    return StartError(fmt::format("{}: {}", state.name(), error.what()), {},
                      words.empty() ? "QEMU was ended; nothing is left behind" : quoted_words(words, "QEMU"));
}

/// An error names the place that asks for it.
void make(const Step& step, HostResources& host) {
    try {
        host.make(std::get<HostStep>(step.action));
    } catch (const Error& error) {
        if (!step.origin.known()) throw;
        auto advice = error.advice();
        if (!advice.empty()) advice += '\n';
        advice += fmt::format("{} asks for it, at {}", step.resource.to_string(), step.origin.to_string());
        throw Error(error.exit_code(), error.what(), advice);
    }
}

/// For QEMU, which inherits the limit. What an ordinary user may lock, check_hardware() has looked at.
void allow_locking() {
    const rlimit any{RLIM_INFINITY, RLIM_INFINITY};
    rlimit own{};
    if (::setrlimit(RLIMIT_MEMLOCK, &any) == 0 || ::getrlimit(RLIMIT_MEMLOCK, &own) != 0) return;
    own.rlim_cur = own.rlim_max;
    ::setrlimit(RLIMIT_MEMLOCK, &own);
}

jail::Stub stub_for(const VmState& state, const Fd& vm_lock, std::vector<Fd>& keep) {
    std::error_code ignored;
    const auto directory = state.directory();
    std::filesystem::rename(directory / "qemu.log", directory / "qemu.log.1", ignored);
    keep.push_back(state.open_file("qemu.log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND));
    keep.push_back(state.open_file("qemu.log.1", O_RDWR | O_CREAT));
    keep.push_back(state.open_file("exit.json", O_WRONLY | O_CREAT | O_TRUNC));
    jail::Stub stub;
    stub.log = keep[0].get();
    stub.log_previous = keep[1].get();
    stub.exit_report = keep[2].get();
    stub.held = {vm_lock.get()};
    return stub;
}

}  // namespace

StartError::StartError(const std::string& what, std::vector<Diagnostic> findings, std::string advice)
    : Error(ExitCode::RolledBack, what, std::move(advice)), findings_(std::move(findings)) {}

void settle_in_cgroup(Started& vm) {
    if (!vm.moving.valid()) return;
    vm.moving.get();
    for (const pid_t pid : {vm.qemu->stub_pid(), vm.qemu->process_pid()}) vm.cgroup->add("qemu", pid);
}

qmp::net::awaitable<Started> start(qmp::net::io_context& context, StartOrder order, const VmState& state,
                                   Spawned spawned, Meanwhile meanwhile, Progress progress) {
    Started vm;
    vm.cgroup = std::move(order.cgroup);
    vm.host = std::make_unique<HostResources>(state, vm.cgroup.get(), order.host_ids,
                                              mode_of(order.vm.jail_mode.value));
    for (const auto& step : order.plan.steps)
        if (std::holds_alternative<HostStep>(step.action)) make(step, *vm.host);
    for (const auto& step : order.plan.steps)
        if (const auto* bind = std::get_if<BindStep>(&step.action))
            if (bind->target.empty()) expect_connectable(bind->path, order.host_ids);

    // Connected before QEMU exists, so nobody else can be its monitor's first client; and QEMU's end, at any
    // moment, is the end of this connection, because only QEMU holds the listening side from here on.
    vm.monitor = std::make_unique<qmp::Client>(
        qmp::Client::connect_unix(context, state.socket(monitor_socket).string()));
    if (locks_memory(order.vm)) allow_locking();
    {
        std::vector<Fd> files;
        const auto fd_of = [&](const std::string& name) { return vm.host->fd(name); };
        jail::Spec spec =
            contain(order.vm, order.plan, fd_of, order.binary, order.host_ids, std::move(order.filter));
        // By the descriptor, where the path may have become another's.
        for (auto& bind : spec.binds)
            if (const int place = vm.host->place_of(bind.source); place >= 0 && ::geteuid() == 0)
                bind.source = fmt::format("/proc/self/fd/{}", place);
        spec.stub = stub_for(state, order.vm_lock, files);
        const auto announce = [&](const PidFd& stub) {
            // The kernel takes long for it; meanwhile QEMU starts.
            if (vm.cgroup)
                vm.moving = std::async(std::launch::async, [&group = *vm.cgroup, pid = stub.pid()] {
                    group.add_early("qemu", pid);
                });
            spawned(stub, *vm.host);
        };
        vm.qemu = std::make_unique<jail::Child>(jail::spawn(spec, announce));
    }
    order.vm_lock.reset();
    for (const auto& step : order.plan.steps) {
        if (const auto* inherit = std::get_if<InheritStep>(&step.action)) vm.host->close(inherit->host);
        if (const auto* copy = std::get_if<CopyStep>(&step.action)) vm.host->close(copy->host);
    }
    // In a reduced jail QEMU is another user's process, and who has given up his rights cannot pin it. Until
    // then it runs nothing of the guest's.
    const auto awaited = awaited_peers(order.plan);
    if (!awaited.empty()) {
        auto publishing = publish_sockets(vm);
        co_await std::move(publishing);
        progress(awaited.front(), order.plan);
    }
    const bool pins = !order.vm.smp.pins.empty();
    if (!pins) meanwhile(vm);

    std::unique_ptr<StartError> failure;
    std::string when = "while it started";
    try {
        auto greeting = vm.monitor->handshake(awaited.empty() ? greeting_deadline : peer_deadline);
        vm.greeting = co_await std::move(greeting);
        if (limits_asked_for(order.vm)) settle_in_cgroup(vm);
        vm.host->expect_helpers_alive();
        if (pins) {
            Json cpus;
            auto asked = try_command(*vm.monitor, "query-cpus-fast", nullptr, -1, &cpus);
            const auto unknown = co_await std::move(asked);
            // One that is gone is told of by the next step.
            if (!unknown) pin_processors(order.vm.smp.pins, cpus, vm.qemu->process_pid());
            meanwhile(vm);
        }
        auto steps = run_steps(*vm.monitor, order.plan, *vm.host, std::move(progress));
        co_await std::move(steps);
        vm.host->expect_helpers_alive();
    } catch (const StepError& error) {
        if (error.cause() == StepError::Cause::Gone)
            when = "during " + error.step();
        else
            failure = std::make_unique<StartError>(refusal(error, state));
        if (!failure) failure = std::make_unique<StartError>(death(vm, order.plan, state, when));
    } catch (const qmp::ConnectError& error) {
        const bool alone = !awaited.empty() && error.exit_code() == ExitCode::TimedOut && !vm.qemu->wait(0);
        failure = std::make_unique<StartError>(alone ? no_peer(order.plan, awaited, state)
                                                     : death(vm, order.plan, state, when));
    }
    if (failure) throw StartError(*failure);
    vm.host->keep_images();
    co_return vm;
}

}  // namespace qvm::launch
