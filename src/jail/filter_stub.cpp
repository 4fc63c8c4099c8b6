// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls of the jail's first process while the program runs. It has the program's uid: what it
// cannot do, nobody can make it do.
#include <cerrno>

#include "jail/filter.hpp"

namespace qvm::jail {

std::vector<std::byte> stub_filter() {
    static const auto program = [] {
        FilterBuilder filter;
        for (const char* call : {// the log, and the report of the end
                                 "read", "pwrite64", "lseek", "ftruncate", "sendfile", "close",
                                 // waiting for output and for the end
                                 "ppoll", "waitid", "rt_sigreturn", "restart_syscall",
                                 // telling it
                                 "sendto", "exit_group"})
            filter.allow(call);
        return filter.program();
    }();
    return program;
}

}  // namespace qvm::jail
