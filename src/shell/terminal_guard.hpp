// SPDX-License-Identifier: GPL-3.0-or-later
// A terminal in raw mode, given back as it was however the program ends, a crash included.
#pragma once
#include <csignal>
#include <string_view>
#include <termios.h>

namespace qvm::shell {

class TerminalGuard {
  public:
    /// Remembers how the terminal `fd` (borrowed, open for writing) is set, and what its erase character is.
    /// Throws SystemError.
    explicit TerminalGuard(int fd);
    TerminalGuard(const TerminalGuard&) = delete;
    TerminalGuard& operator=(const TerminalGuard&) = delete;
    TerminalGuard(TerminalGuard&&) = delete;
    TerminalGuard& operator=(TerminalGuard&&) = delete;
    /// Gives it back.
    ~TerminalGuard();

    /// Every key is a byte: no signals, no flow control, no line editing.
    void take();
    void give_back();
    char erase() const;

  private:
    int fd_;
    termios before_{};
    bool taken_ = false;
};

/// What undoes each mode the shell may have switched on: bracketed paste, mouse, alternate screen, hidden
/// cursor, colours.
extern const std::string_view leave_all_modes;

}  // namespace qvm::shell
