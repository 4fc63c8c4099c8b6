// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/pager.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace qvm::cli {
namespace {

/// Of the terminal that standard output is; 0 if it is none.
long terminal_rows() {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

/// A command of the shell's, as all programs take $PAGER; empty: none is wanted.
std::string pager() {
    const char* said = std::getenv("PAGER");
    return said == nullptr ? "less -FRX" : said;
}

bool print_through(const std::string& command, const std::string& text) {
    // Whoever leaves the pager early must not end us before it has put the terminal right.
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    std::FILE* pipe = ::popen(command.c_str(), "we");
    if (pipe == nullptr) return false;
    std::fputs(text.c_str(), pipe);
    const int status = ::pclose(pipe);
    std::signal(SIGPIPE, before);
    constexpr int not_found = 127;
    return !WIFEXITED(status) || WEXITSTATUS(status) != not_found;
}

}  // namespace

void print_paged(const std::string& text) {
    const auto rows = terminal_rows();
    const bool fits = rows == 0 || std::ranges::count(text, '\n') < rows;
    const auto command = fits || ::isatty(STDOUT_FILENO) == 0 ? std::string() : pager();
    if (command.empty() || !print_through(command, text)) std::fputs(text.c_str(), stdout);
}

}  // namespace qvm::cli
