// SPDX-License-Identifier: GPL-3.0-or-later
// The parent's view of a contained process.
#include <cerrno>
#include <csignal>
#include <sys/socket.h>
#include <sys/wait.h>

#include "jail/spawn.hpp"

namespace qvm::jail {

Child::Child(PidFd stub, pid_t process, Fd end)
    : stub_(std::move(stub)), process_(process), end_(std::move(end)) {}

Child Child::found_again(PidFd stub, pid_t process, Fd exit_report) {
    Child child(std::move(stub), process, std::move(exit_report));
    child.found_again_ = true;
    child.detach();
    return child;
}

Child& Child::operator=(Child&& other) noexcept {
    if (this == &other) return *this;
    end_and_reap();
    stub_ = std::move(other.stub_);
    process_ = other.process_;
    end_ = std::move(other.end_);
    found_again_ = other.found_again_;
    detached_ = other.detached_;
    status_ = other.status_;
    return *this;
}

Child::~Child() {
    end_and_reap();
}

void Child::end_and_reap() noexcept {
    if (!stub_ || detached_ || status_) return;
    try {
        kill();
        wait(-1);
    } catch (const Error&) {
        // It is not ours to reap any more (we were forked since), or gone.
    }
}

void Child::kill() {
    stub_.send(SIGKILL);
}

std::optional<ExitStatus> Child::wait(int timeout_ms) {
    if (status_) return status_;
    if (!stub_.wait_ended(timeout_ms)) return std::nullopt;
    if (found_again_) {
        status_ = read_exit_report(end_.get()).value_or(ExitStatus{true, SIGKILL});
        return status_;
    }
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(stub_.get()), &info, WEXITED) < 0)
        throw_errno("learn how process " + std::to_string(stub_.pid()) + " ended");
    status_ = ExitStatus{info.si_code != CLD_EXITED, info.si_status};
    // The stub's own status is 128 and more for a signal, which a process can also exit with.
    int told[2] = {};
    if (::recv(end_.get(), told, sizeof told, MSG_DONTWAIT) == sizeof told)
        status_ = ExitStatus{told[0] != 0, told[1]};
    return status_;
}

}  // namespace qvm::jail
