// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/supervisor.hpp"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "launch/console.hpp"
#include "launch/control.hpp"
#include "launch/shutdown.hpp"
#include "qmp/async.hpp"
#include "qmp/server.hpp"
#include "qmp/transport.hpp"

namespace qvm::launch {
namespace {

using qmp::net::awaitable;

/// One line in the supervisor's log (its standard error).
void log_line(const std::string& text) {
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto line = fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {}\n", fmt::gmtime(now), text);
    // The log is for people; a full disk must not stop the VM.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

void log_exception(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception& error) {
        log_line(fmt::format("internal error: {}", error.what()));
    }
}

/// Events that come often and say nothing about the VM's life.
bool worth_logging(const qmp::Event& event) {
    return event.name != "RTC_CHANGE" && event.name != "VSERPORT_CHANGE";
}

}  // namespace

struct Supervisor::Impl {
    Impl(qmp::net::io_context& ctx, Started started, VmState vm_state, Applied now)
        : context(ctx),
          vm(std::move(started)),
          state(std::move(vm_state)),
          applied(std::move(now)),
          events(vm.monitor->subscribe({})),
          ended(ctx),
          signals(ctx, SIGTERM, SIGINT) {}

    void open_console() {
        if (applied.console.empty()) return;
        ConsoleRelay::Files files{state.open_file("console.log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND),
                                  state.open_file("console.log.1", O_RDWR | O_CREAT)};
        console = std::make_unique<ConsoleRelay>(
            context, qmp::connect_unix(state.socket(console_socket).string()),
            qmp::listen_unix(state.socket("console.sock").string()), std::move(files));
    }

    void open_attach_socket() {
        qmp::Server::Options options;
        options.greeting = vm.greeting;
        options.greeting.capabilities.clear();
        server = std::make_unique<qmp::Server>(context, qmp::listen_unix(state.socket("qmp.sock").string()),
                                               options,
                                               [this](qmp::Call call) { return answer(std::move(call)); });
    }

    void write_state() {
        applied.phase = Applied::Phase::Running;
        applied.supervisor = ProcessRecord::of(::getpid());
        applied.stub = ProcessRecord::of(vm.qemu->stub_pid());
        applied.helpers = vm.host->helpers();
        state.write_applied(applied);
    }

    /// One call of one client of the attach socket.
    awaitable<Json> answer(qmp::Call call) {
        if (call.command == control::state) {
            auto reply = describe_state();
            co_return co_await std::move(reply);
        }
        if (call.command == control::stop) {
            auto reply =
                stop(std::chrono::milliseconds(call.arguments.value("timeout-ms", std::int64_t{30'000})));
            co_return co_await std::move(reply);
        }
        if (call.command == control::kill) {
            auto reply = kill();
            co_return co_await std::move(reply);
        }
        if (call.command == "quit") intended = Ending{"quit", "a QMP client told QEMU to quit"};
        qmp::ExecuteOptions options;
        options.deadline = std::chrono::minutes(10);
        if (!call.fds.empty()) options.fd = call.fds.front().get();
        auto reply = vm.monitor->execute(call.command, call.arguments, options);
        co_return co_await std::move(reply);
    }

    awaitable<Json> describe_state() {
        Json reply = Json::object();
        reply["name"] = state.name();
        auto asked = vm.monitor->execute("query-status");
        const Json status = co_await std::move(asked);
        reply["status"] = status.value("status", "unknown");
        reply["accel"] = applied.accel;
        reply["jail"] = applied.jail;
        reply["qemu"] = applied.qemu;
        reply["pid"] = vm.qemu->process_pid();
        reply["console"] = applied.console;
        reply["attach-clients"] = server->client_count();
        co_return reply;
    }

    awaitable<Json> stop(std::chrono::milliseconds timeout) {
        if (!intended) intended = Ending{"stopped", {}};
        log_line(fmt::format("stop: asking the guest to power off (timeout {} ms)", timeout.count()));
        auto down = shut_down(*vm.monitor, vm.qemu->stub(), timeout);
        const auto way = co_await std::move(down);
        intended = Ending{"stopped", launch::describe(way, timeout)};
        co_return reply_of(*intended);
    }

    awaitable<Json> kill() {
        intended = Ending{"killed", "killed by qvm kill"};
        vm.qemu->kill();
        auto gone = qmp::wait_readable(vm.qemu->stub().get());
        co_await std::move(gone);
        co_return reply_of(*intended);
    }

    static Json reply_of(const Ending& ending) {
        Json reply = Json::object();
        reply["how"] = ending.how;
        reply["detail"] = ending.detail;
        return reply;
    }

    awaitable<void> pump_events() {
        for (;;) {
            auto next = events.next();
            const auto event = co_await std::move(next);
            if (!event) co_return;
            if (const auto lost = events.take_dropped(); lost > 0)
                log_line(fmt::format("{} events were lost", lost));
            if (event->name == "SHUTDOWN" && !intended && event->data.value("guest", false))
                intended = Ending{"guest", "the guest powered off"};
            if (worth_logging(*event)) log_line(fmt::format("event {} {}", event->name, event->data.dump()));
            server->broadcast(*event);
        }
    }

    awaitable<void> obey_signals() {
        for (;;) {
            auto signal = signals.async_wait(qmp::net::use_awaitable);
            const int number = co_await std::move(signal);
            if (stopping) {
                // Whoever asks twice wants it now.
                vm.qemu->kill();
                continue;
            }
            stopping = true;
            log_line(fmt::format("signal {}: stopping the VM", number));
            qmp::spawn(context, stop_for_signal(), log_exception);
        }
    }

    awaitable<void> stop_for_signal() {
        auto done = stop(applied.stop_timeout);
        co_await std::move(done);
    }

    awaitable<Ending> conclude() {
        const auto status = vm.qemu->wait(-1);
        Ending ending = intended.value_or(Ending{"died", {}});
        if (!status)
            ending.detail = "QEMU ended; its exit status is unknown";
        else if (ending.how == "died" && !status->signaled && status->code == 0)
            ending = {"quit", "QEMU ended by itself"};
        else if (ending.how == "died")
            ending.detail = "QEMU " + status->to_string();
        log_line(fmt::format("ended: {} {}", ending.how, ending.detail));
        applied.phase = Applied::Phase::Ended;
        applied.ended = reply_of(ending);
        state.write_applied(applied);
        if (console) console->finish();
        auto stopped = server->stop();
        co_await std::move(stopped);
        vm.host.reset();
        state.remove_runtime();
        co_return ending;
    }

    qmp::net::io_context& context;
    Started vm;
    VmState state;
    Applied applied;
    qmp::EventQueue events;
    qmp::Signal ended;
    qmp::net::signal_set signals;
    std::unique_ptr<ConsoleRelay> console;
    std::unique_ptr<qmp::Server> server;
    std::optional<Ending> intended;
    bool stopping = false;
};

Supervisor::Supervisor(qmp::net::io_context& context, Started vm, VmState state, Applied applied)
    : impl_(std::make_unique<Impl>(context, std::move(vm), std::move(state), std::move(applied))) {
    impl_->open_console();
    impl_->open_attach_socket();
    impl_->write_state();
}

Supervisor::~Supervisor() = default;

awaitable<Ending> Supervisor::serve() {
    log_line(fmt::format("{} runs: {} ({}, jail {}), pid {}", impl_->state.name(), impl_->applied.qemu,
                         impl_->applied.accel, impl_->applied.jail, impl_->vm.qemu->process_pid()));
    qmp::spawn(impl_->context, impl_->pump_events(), log_exception);
    qmp::spawn(impl_->context, impl_->obey_signals(), [](const std::exception_ptr&) {});
    auto over = qmp::wait_readable(impl_->vm.qemu->stub().get());
    co_await std::move(over);
    auto last = impl_->conclude();
    const Ending ending = co_await std::move(last);
    impl_->signals.cancel();
    co_return ending;
}

}  // namespace qvm::launch
