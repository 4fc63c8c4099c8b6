// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/apply_watch.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "launch/applier.hpp"
#include "launch/control.hpp"
#include "qmp/async.hpp"

namespace qvm::cli {
namespace {

using qmp::net::awaitable;

std::string words_of(const launch::ApplyStep& step) {
    switch (step.doing) {
        case launch::ApplyStep::Doing::Step:
            return step.title;
        case launch::ApplyStep::Doing::Waiting:
            return fmt::format("waiting for the guest to let go of {} (Ctrl-C ends that)", step.title);
        case launch::ApplyStep::Doing::Undoing:
            return "undo: " + step.title;
    }
    return step.title;
}

}  // namespace

/// The coroutines may find it gone when they go on: the context lives longer.
struct ApplyWatch::Impl : std::enable_shared_from_this<ApplyWatch::Impl> {
    Impl(Attached& whose, const launch::VmState& state)
        : attached(whose),
          vm(state),
          signals(attached.context(), SIGINT),
          steps(attached.client().subscribe(
              [](const qmp::Event& event) { return event.name == launch::control::apply_step; })) {}

    void start() {
        qmp::spawn(attached.context(), obey(weak_from_this()), [](const std::exception_ptr&) {});
        qmp::spawn(attached.context(), show_steps(weak_from_this()), [](const std::exception_ptr&) {});
    }

    static awaitable<void> obey(std::weak_ptr<Impl> weak) {
        auto self = weak.lock();
        while (self && !self->left) {
            auto signal = self->signals.async_wait(qmp::net::use_awaitable);
            self.reset();
            co_await std::move(signal);
            self = weak.lock();
            if (self) self->interrupted();
        }
    }

    void interrupted() {
        ++presses;
        if (sent && presses == 1) return tell_supervisor();
        left = true;
        attached.client().close();
    }

    void tell_supervisor() {
        line.clear();
        fmt::print(stderr, "{}: telling its supervisor to stop; Ctrl-C again leaves\n", vm.name());
        try {
            canceller = std::make_shared<qmp::Client>(
                qmp::Client::connect_unix(attached.context(), vm.socket("qmp.sock").string()));
        } catch (const Error&) {
            return cannot_stop(std::current_exception());
        }
        qmp::spawn(attached.context(), cancel(canceller), [weak = weak_from_this()](const auto& exception) {
            if (const auto self = weak.lock()) self->cannot_stop(exception);
        });
    }

    void cannot_stop(const std::exception_ptr& exception) {
        line.clear();
        try {
            std::rethrow_exception(exception);
        } catch (const std::exception& error) {
            print_warning(fmt::format("{}: it cannot be stopped: {}", vm.name(), error.what()));
        }
    }

    /// Over a connection of its own: the other one's commands wait for the apply.
    static awaitable<void> cancel(std::weak_ptr<qmp::Client> weak) {
        auto client = weak.lock();
        if (!client) co_return;
        auto greeting = client->handshake(std::chrono::seconds(10));
        client.reset();
        co_await std::move(greeting);
        while ((client = weak.lock())) {
            auto asked = client->execute(launch::control::apply_cancel);
            client.reset();
            const Json reply = co_await std::move(asked);
            if (reply.value("cancelled", false)) co_return;
            // It has ended, and its answer is on the way; or it has yet to begin.
            auto moment = qmp::sleep_for(std::chrono::milliseconds(20));
            co_await std::move(moment);
        }
    }

    static awaitable<void> show_steps(std::weak_ptr<Impl> weak) {
        std::string text;
        auto self = weak.lock();
        while (self && !self->steps.ended()) {
            auto next = self->steps.next(std::chrono::milliseconds(100));
            self.reset();
            const auto event = co_await std::move(next);
            self = weak.lock();
            if (self) self->show(event, text);
        }
    }

    void show(const std::optional<qmp::Event>& event, std::string& text) {
        if (event) {
            const auto step = launch::ApplyStep::from_json(event->data);
            text = step_text(vm.name(), step.index, step.count, words_of(step));
        }
        if (!text.empty()) line.show(text);
    }

    Attached& attached;
    const launch::VmState& vm;
    qmp::net::signal_set signals;
    qmp::EventQueue steps;
    ProgressLine line;
    std::shared_ptr<qmp::Client> canceller;
    unsigned presses = 0;
    bool sent = false;
    bool left = false;
};

ApplyWatch::ApplyWatch(Attached& attached, const launch::VmState& vm)
    : impl_(std::make_shared<Impl>(attached, vm)) {
    impl_->start();
}

ApplyWatch::~ApplyWatch() = default;

bool ApplyWatch::interrupted_before_sending() {
    impl_->attached.context().restart();
    impl_->attached.context().poll();
    impl_->sent = true;
    return impl_->presses > 0;
}

bool ApplyWatch::left() const {
    return impl_->left;
}

}  // namespace qvm::cli
