// SPDX-License-Identifier: GPL-3.0-or-later
// The jail's first process while the other one runs: reaps, keeps the log, tells the end.
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "jail/child.hpp"
#include "jail/sys.hpp"

namespace qvm::jail {

namespace {

constexpr std::size_t chunk_size = std::size_t{64} << 10U;
constexpr std::size_t last_words_limit = std::size_t{1} << 20U;  ///< as much as a pipe can hold
constexpr int signal_base = 128;  ///< a shell's way to give a signal as an exit status

void close_all_but(const std::vector<int>& keeps) {
    unsigned next = 0;
    for (const int keep : keeps) {
        const auto number = static_cast<unsigned>(keep);
        if (number > next) sys::close_range(next, number - 1, 0);
        next = number + 1;
    }
    sys::close_range(next, ~0U, 0);
}

class Log {
  public:
    explicit Log(const Order& order)
        : pipe_(order.log_pipe),
          file_(order.spec.stub.log),
          previous_(order.spec.stub.log_previous),
          limit_(order.spec.stub.log_limit) {
        struct stat status {};
        if (file_ >= 0 && ::fstat(file_, &status) == 0) size_ = static_cast<std::uint64_t>(status.st_size);
    }

    int pipe() const { return pipe_; }
    /// Takes what the pipe has now, one chunk at most. False when there is none.
    bool take() {
        const auto want = limit_ < chunk_size ? static_cast<std::size_t>(limit_) : chunk_size;
        const auto count = sys::read(pipe_, buffer_, want);
        if (count == -EINTR) return true;
        if (count == 0) pipe_ = -1;  // all writers are gone; poll(2) skips negative descriptors
        if (count <= 0) return false;
        append(static_cast<std::size_t>(count));
        return true;
    }
    /// What was said before the end; more only comes from strangers that hold the pipe, and is not waited
    /// for.
    void drain() {
        for (std::size_t taken = 0; pipe_ >= 0 && taken < last_words_limit; taken += chunk_size)
            if (!take()) return;
    }

  private:
    void append(std::size_t count) {
        if (size_ + count > limit_) rotate();
        // A full disk costs log lines, never the process.
        std::size_t done = 0;
        while (done < count) {
            const auto written = sys::pwrite(file_, buffer_ + done, count - done, static_cast<off_t>(size_));
            if (written == -EINTR) continue;
            if (written <= 0) return;
            done += static_cast<std::size_t>(written);
            size_ += static_cast<std::uint64_t>(written);
        }
    }
    /// By copying, not renaming: we have no paths here.
    void rotate() {
        if (previous_ >= 0 && ::ftruncate(previous_, 0) == 0) {
            ::lseek(previous_, 0, SEEK_SET);
            off_t offset = 0;
            while (sys::sendfile(previous_, file_, offset, size_) > 0 &&
                   static_cast<std::uint64_t>(offset) < size_) {
            }
        }
        if (::ftruncate(file_, 0) == 0) size_ = 0;
    }

    int pipe_;
    int file_;
    int previous_;
    std::uint64_t limit_;
    std::uint64_t size_ = 0;
    char buffer_[chunk_size];
};

/// "{\"exited\": 0}\n" without the C library's formatting, which may allocate.
void write_report(int file, bool signaled, int code) {
    if (file < 0) return;
    char text[32];
    std::size_t length = 0;
    const auto put = [&](const char* words) {
        while (*words != '\0') text[length++] = *words++;
    };
    put(signaled ? "{\"signaled\": " : "{\"exited\": ");
    if (code >= 100) text[length++] = static_cast<char>('0' + code / 100);
    if (code >= 10) text[length++] = static_cast<char>('0' + code / 10 % 10);
    text[length++] = static_cast<char>('0' + code % 10);
    put("}\n");
    if (::ftruncate(file, 0) == 0) sys::pwrite(file, text, length, 0);
}

/// Reaps everyone who has ended. True when `process` is among them; then `end` tells how.
bool reap(pid_t process, siginfo_t& end) {
    bool ended = false;
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0) return ended;
        if (info.si_pid != process) continue;
        end = info;
        ended = true;
    }
}

/// What the process has left behind became ours, as nothing else is: it ends with it. `children` is the
/// kernel's list of them, or -1.
void end_the_rest(int children) {
    char list[4096];
    for (;;) {
        if (::lseek(children, 0, SEEK_SET) < 0) return;
        const auto size = sys::read(children, list, sizeof list);
        if (size <= 0) return;
        pid_t pid = 0;
        for (const char* at = list; at != list + size; ++at) {
            if (*at != ' ') {
                pid = pid * 10 + (*at - '0');
                continue;
            }
            // Nobody else can have got its number: it is not reaped yet.
            if (::kill(pid, SIGKILL) < 0) return;
            ::waitid(P_PID, static_cast<id_t>(pid), nullptr, WEXITED);
            pid = 0;
        }
    }
}

}  // namespace

void run_stub(const Order& order, pid_t process) {
    // The process has our uid: nothing of ours is to be read or traced by it.
    sys::prctl(PR_SET_DUMPABLE, 0);
    // Also closes the error pipe, whose end tells the parent that exec is done.
    close_all_but(order.stub_keeps);
    // All signals have been blocked since before the clone, so that only SIGKILL ends us. Waiting lets
    // SIGCHLD in, which needs no descriptor and so cannot fail; its handler only makes it interrupt.
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_NOCLDSTOP;
    ::sigaction(SIGCHLD, &action, nullptr);
    sigset_t all_but_child_ended;
    ::sigfillset(&all_but_child_ended);
    ::sigdelset(&all_but_child_ended, SIGCHLD);

    // With a pid namespace the kernel ends the rest with us.
    const bool adopts = order.spec.mode == Mode::Reduced;
    const int children = adopts ? ::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC) : -1;
    Log log(order);
    const auto& filter = order.stub_filter;
    if (!filter.empty() && sys::seccomp_install(filter.data(), filter.size()) < 0) ::_exit(setup_failed);
    siginfo_t end{};
    while (!reap(process, end)) {
        pollfd source{.fd = log.pipe(), .events = POLLIN, .revents = 0};
        if (::ppoll(&source, 1, nullptr, &all_but_child_ended) > 0) log.take();
    }
    log.drain();

    const bool signaled = end.si_code != CLD_EXITED;
    const int status[] = {signaled ? 1 : 0, end.si_status};
    write_report(order.spec.stub.exit_report, signaled, end.si_status);
    ::send(order.sync, status, sizeof status, MSG_NOSIGNAL | MSG_DONTWAIT);
    end_the_rest(children);
    ::_exit(signaled ? signal_base + end.si_status : end.si_status);
}

}  // namespace qvm::jail
