// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/terminal_guard.hpp"

#include <array>
#include <cerrno>
#include <unistd.h>

#include "base/error.hpp"

namespace qvm::shell {

const std::string_view leave_all_modes = "\x1b[?2004l\x1b[?1000l\x1b[?1006l\x1b[?1049l\x1b[?25h\x1b[0m\x1b(B";

namespace {

constexpr std::array crashes = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

// What the handler of a crash needs; it may only call what signal-safety(7) allows.
int crashed_terminal = -1;
termios crashed_settings{};
std::array<char, 16384> crash_stack;

void on_crash(int signal) {
    if (crashed_terminal >= 0) {
        [[maybe_unused]] const auto written =
            ::write(crashed_terminal, leave_all_modes.data(), leave_all_modes.size());
        ::tcsetattr(crashed_terminal, TCSANOW, &crashed_settings);
    }
    // SA_RESETHAND has put the default action back: this time it kills.
    ::raise(signal);
}

void catch_crashes() {
    stack_t stack{};
    stack.ss_sp = crash_stack.data();
    stack.ss_size = crash_stack.size();
    ::sigaltstack(&stack, nullptr);
    struct sigaction action {};
    action.sa_handler = on_crash;
    action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND) | SA_NODEFER;
    for (const int signal : crashes) ::sigaction(signal, &action, nullptr);
}

void leave_crashes() {
    for (const int signal : crashes) {
        struct sigaction now {};
        if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == on_crash) ::signal(signal, SIG_DFL);
    }
}

}  // namespace

TerminalGuard::TerminalGuard(int fd) : fd_(fd) {
    if (::tcgetattr(fd, &before_) != 0) throw_errno("read the terminal's settings");
}

TerminalGuard::~TerminalGuard() {
    give_back();
}

void TerminalGuard::take() {
    crashed_settings = before_;
    crashed_terminal = fd_;
    catch_crashes();
    termios raw = before_;
    ::cfmakeraw(&raw);
    // At once: draining would wait for a terminal that takes nothing (TCSADRAIN).
    ::tcsetattr(fd_, TCSANOW, &raw);
    taken_ = true;
}

void TerminalGuard::give_back() {
    if (!taken_) return;
    ::tcsetattr(fd_, TCSANOW, &before_);
    crashed_terminal = -1;
    leave_crashes();
    taken_ = false;
}

char TerminalGuard::erase() const {
    return static_cast<char>(before_.c_cc[VERASE]);
}

}  // namespace qvm::shell
