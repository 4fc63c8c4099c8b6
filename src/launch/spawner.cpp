// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/spawner.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"

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

/// Its exit status, or what a shell makes of a signal.
int outlive(pid_t child) {
    child_of_spawner = child;
    const HandOn signals;
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    child_of_spawner = 0;
    constexpr int shell_signal = 128;
    return WIFEXITED(status) ? WEXITSTATUS(status) : shell_signal + WTERMSIG(status);
}

}  // namespace

unsigned stay_behind_as_spawner(std::span<Fd* const> first_life_only) {
    for (unsigned life = 0;; ++life) {
        const auto begun = steady_clock::now();
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child == 0) return life;
        if (child < 0 && life == 0) throw_errno("start the supervisor");
        if (child < 0) {
            std::perror("qvm: the VM cannot be started again: fork");
            ::_exit(static_cast<int>(ExitCode::VmDied));
        }
        for (Fd* fd : first_life_only) fd->reset();
        const int status = outlive(child);
        // Not exit(): what our child has done is not ours to do again.
        if (status != start_again) ::_exit(status);
        if (steady_clock::now() - begun < short_life) std::this_thread::sleep_for(pause_after_short_life);
    }
}

}  // namespace qvm::launch
