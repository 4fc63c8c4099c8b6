// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/supervisor.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <iterator>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "jail/cgroup_change.hpp"
#include "jail/harden.hpp"
#include "launch/applier.hpp"
#include "launch/apply_desk.hpp"
#include "launch/attach_gate.hpp"
#include "launch/client_door.hpp"
#include "launch/console.hpp"
#include "launch/control.hpp"
#include "launch/helper_watch.hpp"
#include "launch/hooks.hpp"
#include "launch/limits.hpp"
#include "launch/shutdown.hpp"
#include "launch/vm_journal.hpp"
#include "qmp/async.hpp"
#include "qmp/server.hpp"
#include "qmp/transport.hpp"

namespace qvm::launch {
namespace {

using qmp::net::awaitable;

/// Bytes of what a client may send in one piece; parsed it takes up to twenty times as much.
constexpr std::size_t longest_call = std::size_t{4} << 20U;

}  // namespace

struct Supervisor::Impl {
    Impl(qmp::net::io_context& ctx, Started started, VmState vm_state, Applied now)
        : context(ctx),
          vm(std::move(started)),
          state(std::move(vm_state)),
          applied(std::move(now)),
          adopted(applied.phase == Applied::Phase::Running),
          journal(state),
          events(vm.monitor->subscribe({})),
          heard_all(ctx),
          over(ctx),
          signals(ctx, SIGTERM, SIGINT),
          hooks(ctx, std::move(vm.spawner_line), applied.hooks,
                [this](const std::string& text) { log_line(text); }),
          helpers(
              ctx, applied.helpers, *vm.host, [this](const std::string& text) { log_line(text); },
              [this](const std::string& name) {
                  if (vm.cgroup) jail::remove_leaf(vm.cgroup->record(), name);
              },
              [this](const std::string& name) {
                  if (minds_deaths()) qmp::spawn(context, end_for_helper(name), log_failure());
              }),
          applier(ctx, *vm.monitor, applied, apply_hooks()),
          desk(
              applier, applied, [this] { write_state(); },
              [this](std::uint64_t client, const qmp::Event& event) { server->send(client, event); }),
          gate(ctx, *vm.monitor, applied) {
        // A terminal that goes away; not in the background or under nohup(1), where it is ignored.
        struct sigaction hangup {};
        if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) signals.add(SIGHUP);
    }

    void open_console() {
        if (applied.console.empty()) return;
        // The guest's reboot is part of the story.
        const int from_the_start = applied.restarts == 0 && !adopted ? O_TRUNC : 0;
        ConsoleRelay::Files files{
            state.open_file("console.log", O_RDWR | O_CREAT | O_APPEND | from_the_start),
            state.open_file("console.log.1", O_RDWR | O_CREAT)};
        console = std::make_unique<ConsoleRelay>(
            context, qmp::connect_unix(state.socket(console_socket).string()),
            qmp::listen_unix(state.socket("console.sock").string()), std::move(files));
    }

    void open_doors() {
        for (const auto& door : doors_of(applied.compiled))
            if (!vm.host->made_by(door.step.name).empty())
                doors.push_back(
                    std::make_unique<ClientDoor>(context, *vm.monitor, vm.host->take(door.step.name), door,
                                                 [this](const std::string& text) { log_line(text); }));
    }

    void open_attach_socket() {
        qmp::Server::Options options;
        options.greeting = vm.greeting;
        options.greeting.capabilities.clear();
        options.message_limit = longest_call;
        options.fd_commands.emplace_back(control::pass_fd);
        options.show = AttachGate::show;
        options.gone = [this](std::uint64_t client) {
            gate.gone(client);
            desk.gone(client);
        };
        server = std::make_unique<qmp::Server>(context, qmp::listen_unix(state.socket("qmp.sock").string()),
                                               options,
                                               [this](qmp::Call call) { return answer(std::move(call)); });
    }

    void write_state() {
        if (vm.cgroup) applied.cgroup = vm.cgroup->record();
        // Once the end is written, it is the last word.
        if (applied.phase == Applied::Phase::Running) state.write_applied(applied);
    }

    ApplyHooks apply_hooks() {
        return {[this] { write_state(); },
                [this](const Json& settings) { set(settings); },
                [this](const Json& helper) { helpers.take(helper); },
                [this](const Json& helper) { helpers.end(helper); },
                [this](const std::string& text) { log_line(text); },
                [this](const Json& limits) { change_limits(limits); }};
    }

    void change_limits(const Json& change) {
        if (!vm.cgroup) throw Error(ExitCode::HostCannot, "the VM has no cgroup");
        jail::change_limits(vm.cgroup->record(), limits_from_json(change.at("from")),
                            limits_from_json(change.at("to")));
    }

    void set(const Json& settings) {
        applied.attach = settings.value("attach", applied.attach);
        if (!gate.may_watch()) server->end_watches();
        applied.on_helper_death =
            config::choice_named<config::OnHelperDeath>(settings.value("on-helper-death", ""))
                .value_or(applied.on_helper_death);
        end_for_earlier_deaths();
        applied.restart_on_crash = settings.value("restart-on-crash", applied.restart_on_crash);
        applied.stop_timeout =
            std::chrono::milliseconds(settings.value("stop-timeout-ms", applied.stop_timeout.count()));
    }

    /// For another supervisor.
    awaitable<Json> leave(qmp::Call call) {
        const auto refuse = [&](const std::string& why) {
            throw qmp::ExecuteError(call.command, "GenericError", why);
        };
        if (applier.busy()) refuse("an apply is at work");
        if (intended) refuse("the VM is ending");
        if (applied.ends_with_supervisor)
            refuse("the VM would end with its supervisor (lifecycle.on-supervisor-death = \"kill\")");
        log_line("leaving the VM to another supervisor");
        left = true;
        over.notify();
        co_return Json::object();
    }

    /// Nothing that runs ends when this process does.
    awaitable<Ending> let_go() {
        auto stopped = server->stop();
        co_await std::move(stopped);
        vm.qemu->detach();
        vm.host->release();
        if (vm.moving.valid()) vm.moving.wait();
        if (vm.cgroup) vm.cgroup->keep();
        co_return Ending{"left", "another supervisor takes it over"};
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
        if (call.command == control::leave) {
            auto reply = leave(std::move(call));
            co_return co_await std::move(reply);
        }
        if (call.command == control::pass_fd) {
            auto reply = desk.pass_fd(std::move(call));
            co_return co_await std::move(reply);
        }
        if (call.command == control::apply) {
            auto reply = desk.apply(std::move(call));
            co_return co_await std::move(reply);
        }
        if (call.command == control::watch) {
            server->watch(call.client.number, gate.wants_to_watch(call));
            co_return Json::object();
        }
        if (call.command == control::apply_cancel) co_return Json::object({{"cancelled", applier.cancel()}});
        auto reply = gate.forward(std::move(call));
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
        reply["helpers"] = helpers.states();
        reply["hooks"] = hooks.failures();
        reply["applying"] = applier.busy();
        Json& waiting = reply["pending"] = Json::array();
        for (const auto& unplug : applied.pending)
            waiting.push_back({{"resource", unplug.resource}, {"asked", unplug.asked}});
        co_return reply;
    }

    awaitable<Json> stop(std::chrono::milliseconds timeout) {
        if (!intended) intended = Ending{"stopped", {}};
        log_line(fmt::format("stop: asking the guest to power off (timeout {} ms)", timeout.count()));
        auto down = shut_down(*vm.monitor, vm.qemu->stub(), timeout);
        const auto way = co_await std::move(down);
        intended = Ending{"stopped", launch::describe(way, timeout)};
        co_return intended->to_json();
    }

    bool minds_deaths() const { return applied.on_helper_death != config::OnHelperDeath::Report; }

    /// For one that died while nobody looked, or when it did not matter yet.
    void end_for_earlier_deaths() {
        if (!minds_deaths()) return;
        for (const auto& [name, process] : applied.helpers)
            if (!helpers.death_of(name).empty()) qmp::spawn(context, end_for_helper(name), log_failure());
    }

    /// Helpers end with QEMU, and with what an apply takes away: then nothing is amiss.
    awaitable<void> end_for_helper(std::string name) {
        auto gone = qmp::wait_readable_for(vm.qemu->stub().get(), std::chrono::seconds(1));
        if (co_await std::move(gone)) co_return;
        while (applier.busy()) {
            auto moment = qmp::sleep_for(std::chrono::milliseconds(50));
            co_await std::move(moment);
        }
        const auto death = helpers.death_of(name);
        if (death.empty() || intended || left) co_return;
        const bool again = applied.on_helper_death == config::OnHelperDeath::Restart && has_spawner();
        const auto* what = again ? "restart" : "stopped";
        const auto why = fmt::format("{} {} (lifecycle.on-helper-death)", name, death);
        intended = Ending{what, why};
        log_line(fmt::format("{}: {}", again ? "starting it again" : "stop", why));
        auto down = shut_down(*vm.monitor, vm.qemu->stub(), applied.stop_timeout);
        const auto way = co_await std::move(down);
        // It may have been told to stop or to die meanwhile.
        if (intended->how == what)
            intended = Ending{what, fmt::format("{}: {}", why, describe(way, applied.stop_timeout))};
    }

    awaitable<Json> kill() {
        intended = Ending{"killed", "killed by qvm kill"};
        kill_processes();
        auto gone = qmp::wait_readable(vm.qemu->stub().get());
        co_await std::move(gone);
        co_return intended->to_json();
    }

    /// Where only the automatic limit is set, `up` has not waited for it.
    awaitable<void> watch_move() {
        while (vm.moving.valid() &&
               vm.moving.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
            auto moment = qmp::sleep_for(std::chrono::milliseconds(2));
            co_await std::move(moment);
        }
        if (!vm.moving.valid()) co_return;
        const auto missing = vm.cgroup->record().missing;
        settle_in_cgroup(vm);
        const bool news = vm.cgroup->record().missing != missing;
        if (news) write_state();
    }

    void kill_processes() {
        if (vm.cgroup) jail::kill_cgroup(vm.cgroup->record());
        // It ends with all that are in its jail.
        vm.qemu->kill();
    }

    /// What the exit status cannot tell.
    std::string of_memory_limit() const {
        const bool reached = vm.cgroup && jail::reached_memory_limit(vm.cgroup->record());
        return reached ? ": the VM had reached limits.memory" : "";
    }

    /// It may have been killed meanwhile; then nobody can start the VM again.
    bool has_spawner() const { return applied.spawner && ::getppid() == applied.spawner->pid; }
    bool restarts() const { return applied.restart_on_reboot && has_spawner(); }

    bool try_lock_for_restart() {
        try {
            restart_lock = state.lock_operation(std::chrono::milliseconds(0));
            return true;
        } catch (const Error&) {
            return false;
        }
    }

    /// Whoever is at work on the VM finishes first. It may be told to stop or to die meanwhile.
    awaitable<void> lock_for_restart() {
        while (intended && intended->how == "restart" && !try_lock_for_restart()) {
            auto moment = qmp::sleep_for(std::chrono::milliseconds(20));
            co_await std::move(moment);
        }
    }

    awaitable<void> pump_events() {
        for (;;) {
            auto next = events.next();
            const auto event = co_await std::move(next);
            if (!event) break;
            if (const auto lost = events.take_dropped(); lost > 0)
                log_line(fmt::format("{} events were lost", lost));
            note(*event);
            server->broadcast(*event);
        }
        has_heard_all = true;
        heard_all.notify();
    }

    void note(const qmp::Event& event) {
        if (event.name == "GUEST_PANICKED") hooks.run({config::HookEvent::Crashed, {}, "the guest panicked"});
        if (event.name == "GUEST_PANICKED" && applied.restart_on_crash)
            qmp::spawn(context, restart_guest(), log_failure());
        applier.note(event);
        if (event.name == "SHUTDOWN" && !intended) intended = ending_of(event, restarts());
        journal.event(event);
    }

    /// A guest that panics at once each time must not keep the host busy.
    awaitable<void> restart_guest() {
        log_line("the guest panicked: restarting it (lifecycle.on-crash)");
        auto moment = qmp::sleep_for(std::chrono::seconds(1));
        co_await std::move(moment);
        for (const char* command : {"system_reset", "cont"}) {
            auto done = vm.monitor->execute(command);
            co_await std::move(done);
        }
    }

    awaitable<void> watch_qemu() {
        auto gone = qmp::wait_readable(vm.qemu->stub().get());
        co_await std::move(gone);
        ended = true;
        over.notify();
    }

    awaitable<void> obey_signals() {
        for (;;) {
            auto signal = signals.async_wait(qmp::net::use_awaitable);
            const int number = co_await std::move(signal);
            if (stopping) {
                // Whoever asks twice wants it now.
                kill_processes();
                continue;
            }
            stopping = true;
            log_line(fmt::format("signal {}: stopping the VM", number));
            qmp::spawn(context, stop_for_signal(), log_failure());
        }
    }

    awaitable<void> stop_for_signal() {
        auto done = stop(applied.stop_timeout);
        co_await std::move(done);
    }

    awaitable<Ending> conclude() {
        const auto status = vm.qemu->wait(-1);
        // What QEMU said last may still be on its way to us.
        if (!has_heard_all) {
            auto heard = heard_all.wait_for(std::chrono::seconds(1));
            co_await std::move(heard);
        }
        auto locked = lock_for_restart();
        co_await std::move(locked);
        Ending ending = intended.value_or(Ending{"died", {}});
        if (ending.how == "died" && ending.detail.empty()) {
            if (!status)
                ending.detail = "QEMU ended; its exit status is unknown";
            else if (!status->signaled && status->code == 0)
                ending = {"quit", "QEMU ended by itself"};
            else
                ending.detail = "QEMU " + status->to_string() + of_memory_limit();
        }
        log_line(fmt::format("{}: {}", ending.how, ending.detail));
        const bool again = ending.how == "restart";
        applied.phase = again ? Applied::Phase::Starting : Applied::Phase::Ended;
        if (!again) applied.ended = ending.to_json();
        write_end();
        if (console) console->finish();
        auto stopped = server->stop();
        co_await std::move(stopped);
        helpers.end_taken();
        for (const auto& socket : vm.host->sockets()) ::unlink(socket.c_str());
        vm.host.reset();
        if (vm.moving.valid()) vm.moving.wait();
        if (vm.cgroup && !vm.cgroup->remove())
            log_line("the cgroup of the VM could not be removed; the next up, kill or rm tries again");
        auto last_hook = run_last_hook(ending);
        co_await std::move(last_hook);
        state.remove_runtime();
        co_return ending;
    }

    void write_end() {
        try {
            state.write_applied(applied);
        } catch (const Error& error) {
            // A full disk, perhaps. Whoever waits for the end must hear of it all the same.
            log_line(fmt::format("the end could not be written down: {}", error.what()));
        }
    }

    /// It belongs to the life that ends: the next one begins after it.
    awaitable<void> run_last_hook(Ending ending) {
        hooks.run({config::HookEvent::Stopped, ending.how, ending.detail});
        auto settled = hooks.settled();
        co_await std::move(settled);
        const auto failed = hooks.failures().find("stopped");
        if (failed == hooks.failures().end() || !applied.ended.is_object()) co_return;
        applied.ended["hook"] = failed->second;
        write_end();
    }

    void log_line(const std::string& text) { journal.line(text); }
    std::function<void(const std::exception_ptr&)> log_failure() {
        return [this](const std::exception_ptr& exception) {
            try {
                std::rethrow_exception(exception);
            } catch (const std::exception& error) {
                log_line(fmt::format("internal error: {}", error.what()));
            }
        };
    }

    qmp::net::io_context& context;
    Started vm;
    VmState state;
    Applied applied;
    bool adopted;  ///< it has had a supervisor before
    VmJournal journal;
    qmp::EventQueue events;
    qmp::Signal heard_all;  ///< QEMU's connection has ended, and its last event is known
    bool has_heard_all = false;
    qmp::Signal over;  ///< `ended` or `left` has become true
    bool ended = false, left = false;
    qmp::net::signal_set signals;
    std::unique_ptr<ConsoleRelay> console;
    HookLine hooks;
    HelperWatch helpers;
    Applier applier;
    ApplyDesk desk;
    AttachGate gate;
    std::vector<std::unique_ptr<ClientDoor>> doors;
    std::unique_ptr<qmp::Server> server;
    std::optional<Ending> intended;
    bool stopping = false;
    Fd restart_lock;  ///< the operation lock, until this process ends
};

void harden_supervisor(const Started& vm, const VmState& state) {
    using R = jail::PathRights;
    jail::Hardening hardening;
    hardening.signals = ::geteuid() == 0;
    const auto runtime = state.runtime_directory();
    hardening.paths = {{state.directory().string(), R::read | R::change},
                       {runtime.string(), R::read | R::change},
                       // To remove its own.
                       {runtime.parent_path().string(), R::read_dir | R::remove_dir | R::remove_file},
                       {"/proc", R::read},
                       {"/etc/localtime", R::read_file},
                       {"/usr/share/zoneinfo", R::read}};
    if (vm.cgroup)
        std::ranges::move(jail::paths_of_cgroup(vm.cgroup->record()), std::back_inserter(hardening.paths));
    for (const auto& socket : vm.host->sockets())
        hardening.paths.push_back({socket.parent_path().string(), R::remove_file});
    jail::harden(hardening);
}

Supervisor::Supervisor(qmp::net::io_context& context, Started vm, VmState state, Applied applied)
    : impl_(std::make_unique<Impl>(context, std::move(vm), std::move(state), std::move(applied))) {
    auto& applied_now = impl_->applied;
    applied_now.phase = Applied::Phase::Running;
    applied_now.supervisor = ProcessRecord::of(::getpid());
    applied_now.stub = ProcessRecord::of(impl_->vm.qemu->stub_pid());
    applied_now.process = ProcessRecord::of(impl_->vm.qemu->process_pid());
    applied_now.sockets = impl_->vm.host->sockets();
    impl_->open_console();
    impl_->open_doors();
    impl_->open_attach_socket();
    impl_->write_state();
}

Supervisor::~Supervisor() = default;

awaitable<std::vector<std::string>> Supervisor::resume() {
    auto& now = *impl_;
    now.log_line(fmt::format("{} has a new supervisor", now.state.name()));
    std::vector<std::string> notes = now.vm.complaints;
    now.helpers.watch();
    auto tidying = now.gate.forget_earlier_clients();
    co_await std::move(tidying);
    auto resuming = now.applier.resume();
    if (const auto sentence = co_await std::move(resuming); !sentence.empty()) notes.push_back(sentence);
    Json status;
    auto asked = try_command(*now.vm.monitor, "query-status", nullptr, -1, &status);
    const auto failure = co_await std::move(asked);
    if (!failure && status.value("status", "") == "guest-panicked" && now.applied.restart_on_crash)
        qmp::spawn(now.context, now.restart_guest(), now.log_failure());
    now.end_for_earlier_deaths();
    co_return notes;
}

awaitable<Ending> Supervisor::serve() {
    impl_->log_line(fmt::format("{} runs: {} ({}, jail {}), pid {}", impl_->state.name(), impl_->applied.qemu,
                                impl_->applied.accel, impl_->applied.jail, impl_->vm.qemu->process_pid()));
    qmp::spawn(impl_->context, impl_->pump_events(), impl_->log_failure());
    qmp::spawn(impl_->context, impl_->watch_move(), impl_->log_failure());
    if (!impl_->adopted) {
        impl_->helpers.watch();
        impl_->hooks.run({config::HookEvent::Started, {}, {}});
    }
    qmp::spawn(impl_->context, impl_->obey_signals(), [](const std::exception_ptr&) {});
    qmp::spawn(impl_->context, impl_->watch_qemu(), impl_->log_failure());
    while (!impl_->ended && !impl_->left) {
        auto over = impl_->over.wait();
        co_await std::move(over);
    }
    auto last = impl_->ended ? impl_->conclude() : impl_->let_go();
    const Ending ending = co_await std::move(last);
    impl_->signals.cancel();
    co_return ending;
}

}  // namespace qvm::launch
