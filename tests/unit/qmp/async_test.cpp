// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/async.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "qmp/event_source.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::qmp;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds long_enough{60'000};

net::awaitable<void> fail_with(std::string text) {
    auto turn = sleep_for(milliseconds(0));
    co_await std::move(turn);
    throw Error(ExitCode::Usage, text);
}

net::awaitable<void> record(Signal& signal, std::vector<bool>& results, milliseconds deadline) {
    auto waiting = signal.wait_for(deadline);
    const bool result = co_await std::move(waiting);
    results.push_back(result);
}

net::awaitable<void> notify(Signal& signal) {
    signal.notify();
    co_return;
}

net::awaitable<void> notify_before_awaiting(Signal& signal, bool& result) {
    auto waiting = signal.wait_for(long_enough);
    signal.notify();
    result = co_await std::move(waiting);
}

net::awaitable<void> wait_for_ever(Signal& signal) {
    auto waiting = signal.wait();
    co_await std::move(waiting);
}

net::awaitable<void> wait_for_fd(int fd) {
    auto ready = wait_readable(fd);
    co_await std::move(ready);
}

net::awaitable<void> wait_for_fd_until(int fd, milliseconds deadline, std::vector<bool>& results) {
    auto ready = wait_readable_for(fd, deadline);
    const bool result = co_await std::move(ready);
    results.push_back(result);
}

net::awaitable<void> next_event(EventQueue& queue, std::optional<Event>& event, milliseconds deadline) {
    auto next = queue.next(deadline);
    event = co_await std::move(next);
}

void ignore(const std::exception_ptr&) {}

Event event_named(const std::string& name) {
    Event event;
    event.name = name;
    event.data = Json::object();
    return event;
}

}  // namespace

TEST_CASE("run() returns what the task does, and leaves the rest for later") {
    net::io_context context(1);
    bool other = false;
    net::steady_timer later(context, long_enough);
    later.async_wait([&other](const boost::system::error_code&) { other = true; });
    run(context, sleep_for(milliseconds(0)));
    CHECK_FALSE(other);
    CHECK_THROWS_WITH(run(context, fail_with("the task failed")), ContainsSubstring("the task failed"));
    run(context, sleep_for(milliseconds(0)));
}

TEST_CASE("run() of a task that nothing can wake is an error, not a hang") {
    net::io_context context(1);
    auto pipe = std::make_unique<Pipe>();
    context.stop();
    run(context, sleep_for(milliseconds(0)));  // a stopped context is started again
    net::post(context, [&context] { context.stop(); });
    CHECK_THROWS_AS(run(context, wait_for_fd(pipe->read.get())), Error);
}

TEST_CASE("what a spawned task throws reaches somebody") {
    net::io_context context(1);
    std::string text;
    bool called = false;
    spawn(context, fail_with("nobody asked"), [&text](const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            text = e.what();
        }
    });
    spawn(context, sleep_for(milliseconds(0)), [&called](const std::exception_ptr&) { called = true; });
    context.run();
    CHECK(text == "nobody asked");
    CHECK_FALSE(called);
}

TEST_CASE("a signal wakes all who wait, and nobody who comes later") {
    net::io_context context(1);
    Signal signal(context);
    std::vector<bool> results;
    spawn(context, record(signal, results, long_enough), ignore);
    spawn(context, record(signal, results, long_enough), ignore);
    spawn(context, notify(signal), ignore);
    context.run();
    CHECK(results == std::vector<bool>{true, true});
    run(context, record(signal, results, milliseconds(0)));
    CHECK(results == std::vector<bool>{true, true, false});
}

TEST_CASE("a notify() between wait() and co_await is not missed") {
    net::io_context context(1);
    Signal signal(context);
    bool result = false;
    run(context, notify_before_awaiting(signal, result));
    CHECK(result);
}

TEST_CASE("a signal that is destroyed or replaced wakes all who wait") {
    net::io_context context(1);
    auto signal = std::make_unique<Signal>(context);
    bool over = false;
    net::co_spawn(context, wait_for_ever(*signal), [&over](const std::exception_ptr&) { over = true; });
    context.poll();
    CHECK_FALSE(over);
    Signal other(context);
    *signal = std::move(other);
    context.poll();
    CHECK(over);
    over = false;
    context.restart();
    net::co_spawn(context, wait_for_ever(*signal), [&over](const std::exception_ptr&) { over = true; });
    context.poll();
    signal.reset();
    context.run();
    CHECK(over);
}

TEST_CASE("a context may be destroyed while somebody waits") {
    std::vector<bool> results;
    auto context = std::make_unique<net::io_context>(1);
    Signal signal(*context);
    const Pipe pipe;
    spawn(*context, record(signal, results, long_enough), ignore);
    spawn(*context, wait_for_fd_until(pipe.read.get(), long_enough, results), ignore);
    context->poll();
    context.reset();
    CHECK(results.empty());
}

TEST_CASE("readable descriptors: pipes, their ends, pidfds, plain files") {
    net::io_context context(1);
    std::vector<bool> results;
    Pipe pipe;
    run(context, wait_for_fd_until(pipe.read.get(), milliseconds(0), results));
    CHECK(results == std::vector<bool>{false});
    spawn(context, wait_for_fd_until(pipe.read.get(), long_enough, results), ignore);  // two may wait for one
    spawn(context, wait_for_fd_until(pipe.read.get(), long_enough, results), ignore);
    context.restart();
    context.poll();
    REQUIRE(::write(pipe.write.get(), "x", 1) == 1);
    context.run();
    CHECK(results == std::vector<bool>{false, true, true});
    CHECK((::fcntl(pipe.read.get(), F_GETFL) & O_NONBLOCK) == 0);

    const Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    run(context, wait_for_fd(file.get()));

    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    REQUIRE(child > 0);
    const PidFd process = PidFd::open(child);
    run(context, wait_for_fd(process.get()));
    CHECK(::waitpid(child, nullptr, 0) == child);

    CHECK_THROWS_AS(run(context, wait_for_fd(-1)), SystemError);
}

TEST_CASE("a deadline may be as far away as can be said") {
    CHECK(deadline_after(milliseconds::max()) == std::chrono::steady_clock::time_point::max());
    CHECK(deadline_after(milliseconds(5)) < deadline_after(milliseconds(60'000)));
}

TEST_CASE("an event queue is bounded and loses the oldest") {
    net::io_context context(1);
    EventSource source(context);
    auto all = source.subscribe({});
    auto some = source.subscribe([](const Event& event) { return event.name == "7"; });
    for (std::size_t i = 0; i < event_queue_length + 3; ++i) source.publish(event_named(std::to_string(i)));
    std::optional<Event> event;
    run(context, next_event(all, event, milliseconds(0)));
    REQUIRE(event);
    CHECK(event->name == "3");
    CHECK(all.take_dropped() == 3);
    CHECK(all.take_dropped() == 0);
    run(context, next_event(some, event, milliseconds(0)));
    REQUIRE(event);
    CHECK(event->name == "7");
    run(context, next_event(some, event, milliseconds(0)));
    CHECK_FALSE(event);
    CHECK_FALSE(some.ended());
}

TEST_CASE("a queue may outlive its source, and hands out what is left") {
    net::io_context context(1);
    auto source = std::make_unique<EventSource>(context);
    auto queue = source->subscribe({});
    auto waiting = source->subscribe({});
    source->publish(event_named("STOP"));
    source->end();
    auto late = source->subscribe({});
    source.reset();
    CHECK(late.ended());
    CHECK_FALSE(queue.ended());
    std::optional<Event> event;
    run(context, next_event(queue, event, long_enough));
    REQUIRE(event);
    CHECK(queue.ended());
    run(context, next_event(queue, event, long_enough));
    CHECK_FALSE(event);
}

TEST_CASE("who waits for an event is woken by it, and by the end") {
    net::io_context context(1);
    EventSource source(context);
    auto queue = source.subscribe({});
    std::optional<Event> event;
    spawn(context, next_event(queue, event, long_enough), ignore);
    context.poll();
    source.publish(event_named("RESUME"));
    context.run();
    REQUIRE(event);
    CHECK(event->name == "RESUME");
    context.restart();
    spawn(context, next_event(queue, event, long_enough), ignore);
    context.poll();
    source.end();
    context.run();
    CHECK_FALSE(event);
}
