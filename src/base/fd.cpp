// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/fd.hpp"

#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hpp"

namespace qvm {

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void Fd::reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Fd Fd::duplicate() const {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw_errno("duplicate a file descriptor");
    return Fd(copy);
}

Pipe::Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw_errno("make a pipe");
    read = Fd(ends[0]);
    write = Fd(ends[1]);
}

SocketPair::SocketPair(int type) {
    int ends[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0) throw_errno("make a socket pair");
    first = Fd(ends[0]);
    second = Fd(ends[1]);
}

std::vector<int> open_descriptors(int first) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
    if (!directory) throw_errno("list the open descriptors");
    std::vector<int> numbers;
    while (const dirent* entry = ::readdir(directory.get())) {
        const int number = std::atoi(entry->d_name);
        if (entry->d_name[0] != '.' && number >= first && number != ::dirfd(directory.get()))
            numbers.push_back(number);
    }
    return numbers;
}

PidFd PidFd::open(pid_t pid) {
    // SAFETY: pidfd_open has no wrapper in the C library of Debian 12; it returns a descriptor or -1.
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd >= 0) return PidFd(Fd(fd), pid);
    if (errno == ESRCH) return {};
    throw_errno("open process " + std::to_string(pid));
}

bool PidFd::send(int signal) const {
    // SAFETY: as above; the info pointer may be null.
    if (::syscall(SYS_pidfd_send_signal, fd_.get(), signal, nullptr, 0) == 0) return true;
    if (errno == ESRCH) return false;
    throw_errno("send a signal to process " + std::to_string(pid_));
}

bool PidFd::wait_ended(int timeout_ms) const {
    pollfd entry{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    for (;;) {
        const int ready = ::poll(&entry, 1, timeout_ms);
        if (ready >= 0) return ready > 0;
        if (errno != EINTR) throw_errno("wait for process " + std::to_string(pid_));
    }
}

}  // namespace qvm
