// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls of the programs that serve QEMU. They are event loops with threads over descriptors, as
// QEMU is, and so have its list; what they need besides is measured.
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>

#include "jail/filter.hpp"
#include "jail/filter_rules.hpp"

namespace qvm::jail {

namespace {

/// swtpm 0.7.1 to 0.10: it writes each state of the TPM to a new file, which takes the old one's name.
void add_swtpm_rules(FilterBuilder& filter, int exec_fd, Mode mode) {
    add_qemu_rules(filter, exec_fd, {.mode = mode, .makes_files = true});
    filter.because("the TPM's state: files in the one directory it may write to");
    for (const char* call : {"rename", "renameat", "renameat2", "fchmod", "mkdir", "mkdirat", "umask"})
        filter.allow(call);
    filter.allow("fcntl", {{.index = 1, .value = F_SETLK}});
    filter.because("its control channel, and the pipe that ends it");
    for (const char* call : {"pipe", "pipe2"}) filter.allow(call);
}

/// virtiofsd 1.13 (the one in Rust): what its guest does to the files of the one directory it serves, each
/// named from a descriptor below it. Without capabilities whatever ids the guest asks for are refused by the
/// kernel.
void add_virtiofsd_rules(FilterBuilder& filter, int exec_fd) {
    // What it serves may have sockets in it, with servers of the host's behind them.
    add_qemu_rules(filter, exec_fd, {.unix_sockets = false});
    filter.because("the files it serves");
    for (const char* call :
         {"openat2",     "renameat",  "renameat2",  "linkat",       "symlinkat", "mkdirat",   "mknodat",
          "fchmod",      "fchmodat",  "fchmodat2",  "fchown",       "fchownat",  "utimensat", "truncate",
          "fgetxattr",   "fsetxattr", "flistxattr", "fremovexattr", "getxattr",  "setxattr",  "listxattr",
          "removexattr", "lgetxattr", "syncfs",     "setresuid",    "setresgid", "setgroups", "capset",
          "fchdir",      "umask",     "flock",      "preadv2",      "pwritev2",  "dup",       "close_range"})
        filter.allow(call);
    for (const std::uint32_t request : {FIONBIO, FIOCLEX})
        filter.allow("ioctl", {{.index = 1, .value = request}});
    filter.because("its threads' own working directories, and a look at its capabilities");
    filter.allow("unshare", {{.index = 0, .value = CLONE_FS}});
    for (const std::uint32_t option : {PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_GET_SECUREBITS})
        filter.allow("prctl", {{.index = 0, .value = option}});
}

}  // namespace

Filter virtiofsd_filter(int exec_fd) {
    FilterBuilder filter;
    add_virtiofsd_rules(filter, exec_fd);
    return {.program = filter.program(), .exec_fd = exec_fd};
}

Filter swtpm_filter(int exec_fd, Mode mode) {
    FilterBuilder builder;
    add_swtpm_rules(builder, exec_fd, mode);
    Filter filter = builder.filter();
    filter.exec_fd = exec_fd;
    return filter;
}

}  // namespace qvm::jail
