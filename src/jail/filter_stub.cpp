// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls of the jail's first process while the program runs. It has the program's uid: what it
// cannot do, nobody can make it do.
#include <cerrno>
#include <csignal>

#include "jail/filter.hpp"

namespace qvm::jail {

namespace {

std::vector<std::byte> build(Mode mode) {
    FilterBuilder filter;
    for (const char* call : {// the log, and the report of the end
                             "read", "pwrite64", "lseek", "ftruncate", "sendfile", "close",
                             // waiting for output and for the end
                             "ppoll", "waitid", "rt_sigreturn", "restart_syscall",
                             // telling it
                             "sendto", "exit_group"})
        filter.allow(call);
    if (mode == Mode::Reduced) filter.allow("kill", {{.index = 1, .value = SIGKILL}});
    return filter.program();
}

}  // namespace

std::vector<std::byte> stub_filter(Mode mode) {
    static const auto strict = build(Mode::Strict);
    if (mode == Mode::Strict) return strict;
    static const auto reduced = build(Mode::Reduced);
    return reduced;
}

}  // namespace qvm::jail
