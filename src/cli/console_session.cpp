// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/console_session.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string_view>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "qmp/transport.hpp"

namespace qvm::cli {
namespace {

/// Raw mode for as long as this lives; nothing when standard input is no terminal.
class RawTerminal {
  public:
    RawTerminal() {
        if (::tcgetattr(STDIN_FILENO, &saved_) != 0) return;
        termios raw = saved_;
        ::cfmakeraw(&raw);
        active_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    ~RawTerminal() {
        if (active_) ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    bool active() const { return active_; }

  private:
    termios saved_{};
    bool active_ = false;
};

/// The signals that would end us come as bytes on a descriptor instead, so that the terminal is always
/// restored.
class SignalFd {
  public:
    SignalFd() {
        sigset_t set;
        ::sigemptyset(&set);
        for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGQUIT}) ::sigaddset(&set, number);
        ::pthread_sigmask(SIG_BLOCK, &set, &before_);
        fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!fd_) throw_errno("watch for signals");
    }
    ~SignalFd() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalFd(const SignalFd&) = delete;
    SignalFd& operator=(const SignalFd&) = delete;
    int get() const { return fd_.get(); }

  private:
    sigset_t before_{};
    Fd fd_;
};

/// Finds the escape sequence in what is typed.
class EscapeFilter {
  public:
    explicit EscapeFilter(char escape) : escape_(escape) {}

    /// What goes to the guest; nothing when the user wants to leave.
    std::optional<std::string> feed(std::string_view typed) {
        std::string out;
        for (const char c : typed) {
            if (std::exchange(pending_, false)) {
                if (c == '.') return std::nullopt;
                if (c == escape_)
                    out += escape_;
                else
                    (out += escape_) += c;
            } else if (c == escape_) {
                pending_ = true;
            } else {
                out += c;
            }
        }
        return out;
    }

  private:
    char escape_;
    bool pending_ = false;
};

void write_out(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {
            // Standard output may share a description that somebody made non-blocking.
            pollfd entry{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
            ::poll(&entry, 1, -1);
            continue;
        }
        if (written <= 0) throw_errno("write to standard output");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

enum class Read { Data, Nothing, End };

Read read_some(int fd, std::string& bytes) {
    std::array<char, 65536> buffer{};
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0) return errno == EINTR || errno == EAGAIN ? Read::Nothing : Read::End;
    if (got == 0) return Read::End;
    bytes.assign(buffer.data(), static_cast<std::size_t>(got));
    return Read::Data;
}

}  // namespace

ConsoleEnd run_console(const launch::VmState& vm, char escape) {
    // A reader of our output that goes away is an error like others: the terminal must be restored.
    std::signal(SIGPIPE, SIG_IGN);
    const Fd socket = qmp::connect_unix(vm.socket("console.sock").string());
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    const SignalFd signals;
    const RawTerminal terminal;
    EscapeFilter filter(escape);
    std::string to_guest;
    bool input_open = true;
    for (;;) {
        const bool room = input_open && to_guest.size() < 65536;
        std::array<pollfd, 3> entries{{
            {.fd = socket.get(),
             .events = static_cast<short>(POLLIN | (to_guest.empty() ? 0 : POLLOUT)),
             .revents = 0},
            {.fd = room ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
            {.fd = signals.get(), .events = POLLIN, .revents = 0},
        }};
        if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR)
            throw_errno("wait for the console");
        if (entries[2].revents != 0) return ConsoleEnd::Left;
        std::string bytes;
        if ((entries[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            const auto result = read_some(socket.get(), bytes);
            if (result == Read::End) return ConsoleEnd::Closed;
            if (result == Read::Data) write_out(bytes);
        }
        if (entries[1].revents != 0) {
            const auto result = read_some(STDIN_FILENO, bytes);
            if (result == Read::End) input_open = false;
            if (result == Read::End && terminal.active()) return ConsoleEnd::Left;
            if (result == Read::Data) {
                const auto wanted = terminal.active() ? filter.feed(bytes) : std::optional(bytes);
                if (!wanted) return ConsoleEnd::Left;
                to_guest += *wanted;
            }
        }
        if (!to_guest.empty()) {
            const auto sent = ::send(socket.get(), to_guest.data(), to_guest.size(), MSG_NOSIGNAL);
            if (sent > 0)
                to_guest.erase(0, static_cast<std::size_t>(sent));
            else if (sent < 0 && errno != EAGAIN && errno != EINTR)
                return ConsoleEnd::Closed;
        }
    }
}

char parse_escape(const std::string& text) {
    std::string_view rest = text;
    bool control = false;
    for (const std::string_view prefix : {"^", "ctrl-", "Ctrl-", "C-"})
        if (!control && rest.size() > prefix.size() && rest.starts_with(prefix)) {
            rest.remove_prefix(prefix.size());
            control = true;
        }
    if (rest.size() == 1 && control && static_cast<unsigned char>(rest[0]) >= '?')
        return static_cast<char>(rest[0] & 0x1F);
    if (rest.size() == 1 && !control && static_cast<unsigned char>(rest[0]) < 0x20) return rest[0];
    throw Error(ExitCode::Usage, fmt::format("--escape: '{}' is not a control character", text),
                "write it as ^] or ctrl-]");
}

std::string escape_name(char escape) {
    return fmt::format("Ctrl-{}", static_cast<char>(escape | 0x40));
}

}  // namespace qvm::cli
