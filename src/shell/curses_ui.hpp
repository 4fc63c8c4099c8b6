// SPDX-License-Identifier: GPL-3.0-or-later
// The shell on a terminal. ncurses finds out what has changed and what the terminal wants for it, nothing
// else: it writes into a pipe, from which whole frames go to the terminal without ever waiting for it.
#pragma once
#include <memory>

#include <boost/asio/io_context.hpp>

#include "shell/ui.hpp"

namespace qvm::shell {

struct CursesOptions {
    bool colour = true;  ///< and the terminal has some
    bool mouse = false;
};

/// Takes /dev/tty. Throws SystemError (no terminal), Error (a TERM that nobody knows).
std::unique_ptr<Ui> make_curses_ui(boost::asio::io_context& context, CursesOptions options);

}  // namespace qvm::shell
