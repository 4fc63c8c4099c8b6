// SPDX-License-Identifier: GPL-3.0-or-later
// Owners of file descriptors. A borrowed descriptor is a plain int and is never stored.
#pragma once
#include <sys/types.h>
#include <utility>
#include <vector>

namespace qvm {

/// Owns one file descriptor, or none (-1).
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    /// Gives the descriptor away; the caller owns it now.
    int release() { return std::exchange(fd_, -1); }
    void reset();
    /// A second descriptor of the same open file description, close-on-exec. Throws SystemError.
    Fd duplicate() const;

  private:
    int fd_ = -1;
};

/// A pipe(2), both ends close-on-exec. Throws SystemError.
struct Pipe {
    Pipe();
    Fd read;
    Fd write;
};

/// A connected pair of Unix sockets, close-on-exec. Throws SystemError.
struct SocketPair {
    /// `type` is SOCK_STREAM or SOCK_SEQPACKET.
    explicit SocketPair(int type);
    Fd first;
    Fd second;
};

/// The numbers of all open descriptors from `first` up. Throws SystemError.
std::vector<int> open_descriptors(int first);

/// Owns a process by its pidfd (pidfd_open(2)): cannot hit a recycled pid.
class PidFd {
  public:
    PidFd() = default;
    /// Takes over `fd`, a pidfd of `pid`.
    PidFd(Fd fd, pid_t pid) : fd_(std::move(fd)), pid_(pid) {}
    /// pidfd_open(2); empty if there is no such process. Throws SystemError on any other failure.
    static PidFd open(pid_t pid);

    int get() const { return fd_.get(); }
    pid_t pid() const { return pid_; }
    explicit operator bool() const { return static_cast<bool>(fd_); }
    /// pidfd_send_signal(2); false if the process is gone. Throws SystemError.
    bool send(int signal) const;
    /// Waits until the process has ended or `timeout_ms` is over (-1: no limit); true if it has ended.
    bool wait_ended(int timeout_ms) const;

  private:
    Fd fd_;
    pid_t pid_ = -1;
};

}  // namespace qvm
