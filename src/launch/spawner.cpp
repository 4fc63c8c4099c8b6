// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/spawner.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "launch/hook_process.hpp"
#include "launch/hooks.hpp"

namespace qvm::launch {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

/// A guest that reboots at once each time must not keep the host busy.
constexpr seconds short_life{5};
constexpr seconds pause_after_short_life{1};

volatile std::sig_atomic_t child_of_spawner = 0;

/// What the terminal sends, our child gets by itself.
void hand_on(int number, siginfo_t* info, void*) {
    if (info->si_code == SI_USER && child_of_spawner > 0) ::kill(child_of_spawner, number);
}

/// While it lives, SIGTERM, SIGINT and SIGHUP go to the child; one that is ignored stays so.
class HandOn {
  public:
    HandOn() {
        struct sigaction action {};
        action.sa_sigaction = hand_on;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            ::sigaction(numbers[i], nullptr, &before_[i]);
            if (before_[i].sa_handler != SIG_IGN) ::sigaction(numbers[i], &action, nullptr);
        }
    }
    ~HandOn() {
        for (std::size_t i = 0; i < numbers.size(); ++i) ::sigaction(numbers[i], &before_[i], nullptr);
    }
    HandOn(const HandOn&) = delete;
    HandOn& operator=(const HandOn&) = delete;

  private:
    static constexpr std::array numbers{SIGTERM, SIGINT, SIGHUP};
    std::array<struct sigaction, numbers.size()> before_{};
};

/// What is asked of the spawner during one life of the VM.
class Service {
  public:
    Service(const SpawnerOrder& order, Fd line) : order_(order), line_(std::move(line)) {}

    /// Until the child has ended. A hook that runs then is killed: whoever had it run is gone.
    void serve(const PidFd& child) {
        for (;;) {
            std::array<pollfd, 3> waits{
                {{child.get(), POLLIN, 0}, {line_.get(), POLLIN, 0}, {hook_ ? hook_->fd() : -1, POLLIN, 0}}};
            const int limit = hook_ ? hook_->milliseconds_left() : -1;
            if (::poll(waits.data(), waits.size(), limit) < 0 && errno != EINTR) return;
            if (waits[0].revents != 0) return;
            if (waits[1].revents != 0) take_order();
            if (hook_)
                if (const auto failure = hook_->outcome()) end_hook(*failure);
            if (!hook_ && !waiting_.empty()) begin_next();
        }
    }

  private:
    void take_order() {
        std::array<char, 4096> buffer{};
        const auto got = ::recv(line_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (got <= 0) return line_.reset();
        const auto order = HookOrder::from_text(std::string(buffer.data(), static_cast<std::size_t>(got)));
        if (!order) return;
        if (waiting_.size() < most_waiting)
            waiting_.push_back(*order);
        else
            answer(order->event, "too many wait for the one that runs");
    }

    void begin_next() {
        const HookOrder order = waiting_.front();
        waiting_.pop_front();
        const auto command = std::ranges::find(order_.hooks, order.event, &HookCommand::event);
        if (command == order_.hooks.end()) return answer(order.event, "there is no such hook");
        try {
            hook_.emplace(order_, *command, order);
        } catch (const std::exception& error) {
            hook_.reset();
            answer(order.event, error.what());
        }
    }

    void end_hook(const std::string& failure) {
        answer(hook_->event(), failure);
        hook_.reset();
    }

    void answer(config::HookEvent event, const std::string& failure) const {
        const Json json{{"event", config::word_of(event)}, {"failure", failure}};
        const auto text = json.dump();
        ::send(line_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    /// A guest may panic as often as it likes.
    static constexpr std::size_t most_waiting = 16;

    const SpawnerOrder& order_;
    Fd line_;
    std::deque<HookOrder> waiting_;
    std::optional<HookProcess> hook_;
};

/// Its exit status, or what a shell makes of a signal.
int outlive(pid_t child, const SpawnerOrder& order, Fd line) {
    child_of_spawner = child;
    const HandOn signals;
    Service(order, std::move(line)).serve(PidFd::open(child));
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    child_of_spawner = 0;
    constexpr int shell_signal = 128;
    return WIFEXITED(status) ? WEXITSTATUS(status) : shell_signal + WTERMSIG(status);
}

}  // namespace

bool needs_spawner(const Applied& applied) {
    return applied.starts_again() || !applied.hooks.empty();
}

SpawnerOrder spawner_order(const Applied& applied, const VmState& state, std::vector<Fd*> first_life_only) {
    return {applied.hooks,
            applied.origin.parent_path(),
            {{"QVM_NAME", state.name()},
             {"QVM_FILE", applied.origin.string()},
             {"QVM_STATE", state.directory().string()},
             {"QVM_RUNTIME", state.runtime_directory().string()}},
            std::move(first_life_only)};
}

Life stay_behind_as_spawner(const SpawnerOrder& order) {
    for (unsigned life = 0;; ++life) {
        const auto begun = steady_clock::now();
        std::optional<SocketPair> pair;
        if (!order.hooks.empty()) pair.emplace(SOCK_SEQPACKET);
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child == 0) return {life, pair ? std::move(pair->second) : Fd()};
        if (child < 0 && life == 0) throw_errno("start the supervisor");
        if (child < 0) {
            std::perror("qvm: the VM cannot be started again: fork");
            ::_exit(static_cast<int>(ExitCode::VmDied));
        }
        for (Fd* fd : order.first_life_only) fd->reset();
        if (pair) pair->second.reset();
        const int status = outlive(child, order, pair ? std::move(pair->first) : Fd());
        // Not exit(): what our child has done is not ours to do again.
        if (status != start_again) ::_exit(status);
        if (steady_clock::now() - begun < short_life) std::this_thread::sleep_for(pause_after_short_life);
    }
}

}  // namespace qvm::launch
