// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/shutdown.hpp"

#include <csignal>

#include <fmt/format.h>

#include "base/text.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds press_again{5'000};
constexpr milliseconds quit_patience{5'000};

/// Runs a command for its effect. False when it failed in any way: the caller looks at the process anyway.
qmp::net::awaitable<bool> try_execute(qmp::Client& client, std::string command) {
    qmp::ExecuteOptions options;
    options.deadline = milliseconds(5'000);
    bool done = false;
    try {
        auto reply = client.execute(std::move(command), Json::object(), options);
        co_await std::move(reply);
        done = true;
    } catch (const Error&) {
        done = false;
    }
    co_return done;
}

/// True when the process has ended within `patience`.
qmp::net::awaitable<bool> ended_within(const PidFd& stub, milliseconds patience) {
    auto ended = qmp::wait_readable_for(stub.get(), patience);
    const bool result = co_await std::move(ended);
    co_return result;
}

qmp::net::awaitable<bool> guest_can_react(qmp::Client& client) {
    bool paused = false;
    try {
        auto status = client.execute("query-status");
        const Json reply = co_await std::move(status);
        // Before the start there is no guest, and half of its devices may be missing.
        if (reply.value("status", "") == "prelaunch") co_return false;
        paused = reply.value("status", "") == "paused";
    } catch (const Error&) {
        co_return false;
    }
    if (!paused) co_return true;
    auto resumed = try_execute(client, "cont");
    const bool result = co_await std::move(resumed);
    co_return result;
}

}  // namespace

std::string describe(ShutdownWay way, milliseconds timeout) {
    switch (way) {
        case ShutdownWay::Guest:
            return "the guest powered off";
        case ShutdownWay::QuitUnasked:
            return "no guest could be asked to power off; QEMU was told to quit";
        case ShutdownWay::Quit:
            return fmt::format("the guest did not power off within {}; QEMU was told to quit",
                               format_duration(timeout));
        case ShutdownWay::Killed:
            return fmt::format("neither the guest nor QEMU reacted within {}; killed",
                               format_duration(timeout));
    }
    return {};
}

qmp::net::awaitable<ShutdownWay> shut_down(qmp::Client& client, const PidFd& stub, milliseconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    auto reacts = guest_can_react(client);
    bool asked = co_await std::move(reacts);
    const bool unasked = !asked;
    while (asked && steady_clock::now() < deadline) {
        auto pressed = try_execute(client, "system_powerdown");
        asked = co_await std::move(pressed);
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
        auto ended = ended_within(stub, std::clamp(left, milliseconds(0), press_again));
        const bool over = co_await std::move(ended);
        if (over) co_return ShutdownWay::Guest;
    }
    auto quit = try_execute(client, "quit");
    co_await std::move(quit);
    auto ended = ended_within(stub, quit_patience);
    const bool over = co_await std::move(ended);
    if (over) co_return unasked ? ShutdownWay::QuitUnasked : ShutdownWay::Quit;
    stub.send(SIGKILL);
    auto killed = ended_within(stub, quit_patience);
    co_await std::move(killed);
    co_return ShutdownWay::Killed;
}

}  // namespace qvm::launch
