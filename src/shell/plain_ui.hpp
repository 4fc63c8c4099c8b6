// SPDX-License-Identifier: GPL-3.0-or-later
// The shell without a screen: entries come in as lines, what is said goes out as lines. For terminals that
// can do nothing else, and for pipes, which get no banner and no prompt.
#pragma once
#include <boost/asio/io_context.hpp>

#include "shell/shell.hpp"

namespace qvm::shell {

/// Returns when the input has ended and everything in it is answered, or the user leaves.
void run_plain(boost::asio::io_context& context, ShellOptions options);

}  // namespace qvm::shell
