// SPDX-License-Identifier: GPL-3.0-or-later
// The few things Asio leaves to its users, in one place. Coroutines here never run detached: what one throws
// reaches somebody.
#pragma once
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace qvm::qmp {

namespace net = boost::asio;

/// The moment `duration` from now; far away when it would be later than the clock can say.
std::chrono::steady_clock::time_point deadline_after(std::chrono::milliseconds duration);

/// A condition coroutines can wait for. Waiting never misses a notify() that comes after wait() was called,
/// even if its awaitable is only awaited later. Destroying it wakes all who wait.
class Signal {
  public:
    explicit Signal(net::io_context& context);
    Signal(const Signal&) = delete;
    Signal& operator=(const Signal&) = delete;
    Signal(Signal&&) noexcept;
    Signal& operator=(Signal&&) noexcept;
    ~Signal();
    /// Wakes all who wait now.
    void notify();
    /// True when notified, false when `deadline` (from now) has passed.
    net::awaitable<bool> wait_for(std::chrono::milliseconds deadline);
    net::awaitable<void> wait();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

net::awaitable<void> sleep_for(std::chrono::milliseconds duration);

/// Waits until `fd` (borrowed: not closed, its flags untouched, any number may wait for it) is readable, as
/// poll(2) sees it: pidfds, pipes. It must stay open meanwhile. Throws SystemError.
net::awaitable<void> wait_readable(int fd);

/// The same for at most `deadline`: false when it has passed.
net::awaitable<bool> wait_readable_for(int fd, std::chrono::milliseconds deadline);

/// Runs `task` on `context`; what it throws is given to `failed`, which must not throw.
void spawn(net::io_context& context, net::awaitable<void> task,
           std::function<void(std::exception_ptr)> failed);

/// Runs `task` to its end on `context` (which must not be running) and returns, or throws, what it does. What
/// else the context has to do goes on meanwhile, and is left where it is then. Throws Error when the task
/// waits for something that nothing in the context can bring about.
void run(net::io_context& context, net::awaitable<void> task);

}  // namespace qvm::qmp
