// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/async.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace qvm::qmp {

using Clock = std::chrono::steady_clock;

Clock::time_point deadline_after(std::chrono::milliseconds duration) {
    const auto now = Clock::now();
    const auto left = std::chrono::floor<std::chrono::milliseconds>(Clock::time_point::max() - now);
    return duration < left ? now + duration : Clock::time_point::max();
}

// ---- Signal: each who waits has a timer of its own, which notify() cuts short.

struct Signal::Impl {
    explicit Impl(net::io_context& c) : context(c) {}

    /// Registers a waiter's timer for as long as it lives.
    class Waiter {
      public:
        Waiter(std::shared_ptr<Impl> impl, Clock::time_point until)
            : impl_(std::move(impl)), timer(impl_->context) {
            timer.expires_at(until);
            impl_->waiters.push_back(&timer);
        }
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        ~Waiter() { std::erase(impl_->waiters, &timer); }

      private:
        std::shared_ptr<Impl> impl_;

      public:
        net::steady_timer timer;
    };

    void notify() {
        ++generation;
        for (auto* timer : waiters) timer->cancel();
    }

    static net::awaitable<bool> wait_until(std::shared_ptr<Impl> impl, unsigned long seen,
                                           Clock::time_point until) {
        if (impl->generation == seen) {
            Waiter waiter(impl, until);
            boost::system::error_code ignored;
            auto over = waiter.timer.async_wait(net::redirect_error(net::use_awaitable, ignored));
            co_await std::move(over);
        }
        co_return impl->generation != seen;
    }

    net::io_context& context;
    unsigned long generation = 0;
    std::vector<net::steady_timer*> waiters;
};

Signal::Signal(net::io_context& context) : impl_(std::make_shared<Impl>(context)) {}
Signal::Signal(Signal&&) noexcept = default;

Signal& Signal::operator=(Signal&& other) noexcept {
    if (impl_ && impl_ != other.impl_) impl_->notify();
    impl_ = std::move(other.impl_);
    return *this;
}

Signal::~Signal() {
    if (impl_) impl_->notify();
}

void Signal::notify() {
    impl_->notify();
}

net::awaitable<bool> Signal::wait_for(std::chrono::milliseconds deadline) {
    return Impl::wait_until(impl_, impl_->generation, deadline_after(deadline));
}

namespace {

net::awaitable<void> discard(net::awaitable<bool> result) {
    co_await std::move(result);
}

}  // namespace

net::awaitable<void> Signal::wait() {
    return discard(Impl::wait_until(impl_, impl_->generation, Clock::time_point::max()));
}

// ---- Waiting for time and for descriptors.

net::awaitable<void> sleep_for(std::chrono::milliseconds duration) {
    auto executor = co_await net::this_coro::executor;
    net::steady_timer timer(executor, duration);
    auto over = timer.async_wait(net::use_awaitable);
    co_await std::move(over);
}

namespace {

/// Watches somebody's descriptor through an epoll(7) of its own, which is a descriptor that can be watched:
/// Asio would make the descriptor itself non-blocking, and takes each number once only.
struct Watched {
    Watched(const net::any_io_executor& executor, int fd) : descriptor(executor), timer(executor) {
        Fd watcher(::epoll_create1(EPOLL_CLOEXEC));
        if (!watcher) throw_errno(action);
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        if (::epoll_ctl(watcher.get(), EPOLL_CTL_ADD, fd, &wanted) != 0) {
            if (errno != EPERM) throw_errno(action);
            always_ready = true;  // a plain file: poll(2) finds it readable at any time
        }
        descriptor.assign(watcher.release());
    }

    static constexpr const char* action = "watch a descriptor";
    bool always_ready = false;
    net::posix::stream_descriptor descriptor;
    net::steady_timer timer;
};

net::awaitable<bool> wait_readable_until(int fd, Clock::time_point until) {
    auto executor = co_await net::this_coro::executor;
    const auto watched = std::make_shared<Watched>(executor, fd);
    if (watched->always_ready) co_return true;
    if (until != Clock::time_point::max()) {
        watched->timer.expires_at(until);
        watched->timer.async_wait([watched](const boost::system::error_code& error) {
            if (!error) watched->descriptor.cancel();
        });
    }
    boost::system::error_code error;
    auto ready = watched->descriptor.async_wait(net::posix::stream_descriptor::wait_read,
                                                net::redirect_error(net::use_awaitable, error));
    co_await std::move(ready);
    watched->timer.cancel();
    if (!error) co_return true;
    if (error == net::error::operation_aborted) co_return false;
    throw SystemError(Watched::action, error.value());
}

}  // namespace

net::awaitable<void> wait_readable(int fd) {
    return discard(wait_readable_until(fd, Clock::time_point::max()));
}

net::awaitable<bool> wait_readable_for(int fd, std::chrono::milliseconds deadline) {
    return wait_readable_until(fd, deadline_after(deadline));
}

// ---- Starting coroutines.

void spawn(net::io_context& context, net::awaitable<void> task,
           std::function<void(std::exception_ptr)> failed) {
    net::co_spawn(context, std::move(task), [failed = std::move(failed)](const std::exception_ptr& error) {
        if (error) failed(error);
    });
}

void run(net::io_context& context, net::awaitable<void> task) {
    struct Ending {
        bool over = false;
        std::exception_ptr error;
    };
    // Shared, because the task may outlive this call when something else on the context throws.
    const auto ending = std::make_shared<Ending>();
    net::co_spawn(context, std::move(task), [ending](std::exception_ptr error) {
        ending->over = true;
        ending->error = std::move(error);
    });
    context.restart();
    while (!ending->over) {
        if (context.run_one() == 0) {
            throw Error(ExitCode::Usage, "internal error: a task waits for what can no longer happen");
        }
    }
    if (ending->error) std::rethrow_exception(ending->error);
}

}  // namespace qvm::qmp
