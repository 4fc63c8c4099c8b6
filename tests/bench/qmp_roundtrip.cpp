// SPDX-License-Identifier: GPL-3.0-or-later
// Round trips of query-status, one at a time, against a loop of send(2) and recv(2) on the same QEMU: it has
// two monitors, and the two take turns.
//
//     qmp_roundtrip [QEMU [TURNS]]
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "qmp/async.hpp"
#include "qmp/client.hpp"

namespace {

using namespace qvm;
using Clock = std::chrono::steady_clock;
using Times = std::vector<double>;  ///< microseconds

constexpr int trips_a_turn = 200;

/// A QEMU without a machine, with two monitors on socketpairs.
class Qemu {
  public:
    explicit Qemu(const char* binary) {
        SocketPair one(SOCK_STREAM);
        SocketPair two(SOCK_STREAM);
        const Fd inherited_one(::fcntl(one.second.get(), F_DUPFD, 10));
        const Fd inherited_two(::fcntl(two.second.get(), F_DUPFD, 10));
        const std::string chardev_one = fmt::format("socket,id=a,fd={}", inherited_one.get());
        const std::string chardev_two = fmt::format("socket,id=b,fd={}", inherited_two.get());
        const std::array<const char*, 18> argv = {binary,
                                                  "-M",
                                                  "none",
                                                  "-nodefaults",
                                                  "-S",
                                                  "-display",
                                                  "none",
                                                  "-chardev",
                                                  chardev_one.c_str(),
                                                  "-chardev",
                                                  chardev_two.c_str(),
                                                  "-mon",
                                                  "chardev=a,mode=control",
                                                  "-mon",
                                                  "chardev=b,mode=control",
                                                  "-no-user-config",
                                                  nullptr,
                                                  nullptr};
        pid_ = ::fork();
        if (pid_ == 0) {
            // SAFETY: execv(2) does not change what argv points to.
            ::execv(binary, const_cast<char* const*>(argv.data()));
            ::_exit(127);
        }
        if (pid_ < 0) throw_errno("fork");
        raw = std::move(one.first);
        ours = std::move(two.first);
    }
    Qemu(const Qemu&) = delete;
    Qemu& operator=(const Qemu&) = delete;
    ~Qemu() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Fd raw;
    Fd ours;

  private:
    pid_t pid_ = -1;
};

double microseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// The least a C program can do: it looks for the line's end and parses nothing.
void raw_round_trip(int socket, std::string_view command) {
    if (::send(socket, command.data(), command.size(), MSG_NOSIGNAL) < 0) throw_errno("write to QEMU");
    std::array<char, 65536> buffer;
    for (;;) {
        const auto got = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (got <= 0) throw_errno("read from QEMU");
        if (buffer[static_cast<std::size_t>(got) - 1] == '\n') return;
    }
}

void raw_turn(int socket, Times& times) {
    for (int i = 0; i < trips_a_turn; ++i) {
        const auto start = Clock::now();
        raw_round_trip(socket, "{\"execute\": \"query-status\", \"id\": \"raw-1\"}\n");
        times.push_back(microseconds_since(start));
    }
}

qmp::net::awaitable<void> connect(qmp::Client& client) {
    auto greeted = client.handshake(std::chrono::seconds(30));
    co_await std::move(greeted);
}

qmp::net::awaitable<void> client_turn(qmp::Client& client, Times& times) {
    for (int i = 0; i < trips_a_turn; ++i) {
        const auto start = Clock::now();
        auto asked = client.execute("query-status");
        const Json reply = co_await std::move(asked);
        if (!reply.contains("status")) throw Error(ExitCode::Usage, "QEMU answered something else");
        times.push_back(microseconds_since(start));
    }
}

struct Summary {
    double p50, p99, rate;
};

Summary summary_of(Times times) {
    double total = 0;
    for (const double time : times) total += time;
    std::sort(times.begin(), times.end());
    const auto at = [&times](std::size_t percent) { return times[times.size() * percent / 100]; };
    return {at(50), at(99), 1e6 * static_cast<double>(times.size()) / total};
}

void print(const char* name, const Summary& summary) {
    std::printf("  %-7s %8.0f/s   p50 %6.1f us   p99 %6.1f us\n", name, summary.rate, summary.p50,
                summary.p99);
}

void measure(const char* binary, int turns) {
    Qemu qemu(binary);
    qmp::net::io_context context(1);
    qmp::Client client(context, std::move(qemu.ours));
    qmp::run(context, connect(client));
    std::array<char, 65536> greeting;
    if (::recv(qemu.raw.get(), greeting.data(), greeting.size(), 0) <= 0) throw_errno("read QEMU's greeting");
    raw_round_trip(qemu.raw.get(), "{\"execute\": \"qmp_capabilities\"}\n");

    Times raw, ours;
    for (int turn = -2; turn < turns; ++turn) {  // the first two only warm up
        raw_turn(qemu.raw.get(), raw);
        qmp::run(context, client_turn(client, ours));
        if (turn >= 0) continue;
        raw.clear();
        ours.clear();
    }
    const Summary by_hand = summary_of(raw);
    const Summary by_us = summary_of(ours);
    std::printf(
        "qmp round trips: ratio client/raw = %.2f (medians; of the means %.2f), p99 client/raw = %.2f\n",
        by_hand.p50 / by_us.p50, by_us.rate / by_hand.rate, by_us.p99 / by_hand.p99);
    print("raw", by_hand);
    print("client", by_us);
#ifndef __OPTIMIZE__
    std::printf("  built without optimisation: the ratio that counts is that of the release preset\n");
#endif
}

}  // namespace

int main(int argc, char** argv) {
    try {
        measure(argc > 1 ? argv[1] : "/usr/bin/qemu-system-x86_64", argc > 2 ? std::atoi(argv[2]) : 50);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "qmp_roundtrip: %s\n", error.what());
        return 1;
    }
    return 0;
}
