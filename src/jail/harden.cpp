// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/harden.hpp"

#include <cerrno>
#include <linux/sched.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "jail/filter.hpp"
#include "jail/spawn.hpp"
#include "jail/sys.hpp"

namespace qvm::jail {
namespace {

[[noreturn]] void refuse(const std::string& what, int error) {
    throw SetupError("harden", "cannot " + what + ": " + errno_text(error), error, {});
}

/// An allow-list would have to know what the C++ library and the event loop call on every system; what does
/// harm is the shorter list.
std::vector<std::byte> hardened_filter() {
    FilterBuilder filter(FilterBuilder::Otherwise::Allow);
    for (const char* call : {"execve",
                             "execveat",
                             "fork",
                             "vfork",
                             "ptrace",
                             "process_vm_readv",
                             "process_vm_writev",
                             "process_madvise",
                             "pidfd_getfd",
                             "kcmp",
                             "mount",
                             "umount2",
                             "pivot_root",
                             "chroot",
                             "move_mount",
                             "open_tree",
                             "fsopen",
                             "fsconfig",
                             "fsmount",
                             "fspick",
                             "mount_setattr",
                             "unshare",
                             "setns",
                             "bpf",
                             "keyctl",
                             "add_key",
                             "request_key",
                             "userfaultfd",
                             "perf_event_open",
                             "kexec_load",
                             "kexec_file_load",
                             "init_module",
                             "finit_module",
                             "delete_module",
                             "open_by_handle_at",
                             "name_to_handle_at",
                             "reboot",
                             "swapon",
                             "swapoff",
                             "iopl",
                             "ioperm",
                             "acct",
                             "quotactl",
                             "syslog",
                             "settimeofday",
                             "clock_settime",
                             "adjtimex",
                             "clock_adjtime",
                             "setuid",
                             "setgid",
                             "setreuid",
                             "setregid",
                             "setresuid",
                             "setresgid",
                             "setfsuid",
                             "setfsgid",
                             "setgroups",
                             "mknod",
                             "mknodat",
                             "io_uring_setup",
                             "io_uring_enter",
                             "io_uring_register",
                             "personality",
                             "sethostname",
                             "setdomainname"})
        filter.refuse(call, EPERM);
    // Its flags lie in memory; the C library falls back to clone.
    filter.refuse("clone3", ENOSYS);
    // Threads may be made, for a resolver of the C library; processes not.
    filter.refuse_unless("clone", {.index = 0, .value = CLONE_THREAD, .mask = CLONE_THREAD}, EPERM);
    filter.refuse("ioctl", EPERM, {{.index = 1, .value = TIOCSTI}});
    return filter.program();
}

void keep_one_capability(bool signals) {
    const cap_value_t kill = CAP_KILL;
    // The bounding set needs CAP_SETPCAP, so it goes first. Who has none has nothing to lose either.
    for (cap_value_t capability = 0; cap_get_bound(capability) >= 0; ++capability)
        if (!(signals && capability == kill)) cap_drop_bound(capability);
    cap_t wanted = cap_init();
    if (wanted == nullptr) refuse("make a capability set", errno);
    cap_t now = cap_get_proc();
    cap_flag_value_t has_kill = CAP_CLEAR;
    if (now != nullptr) cap_get_flag(now, kill, CAP_PERMITTED, &has_kill);
    if (signals && has_kill == CAP_SET)
        for (const auto set : {CAP_PERMITTED, CAP_EFFECTIVE}) cap_set_flag(wanted, set, 1, &kill, CAP_SET);
    const int result = cap_set_proc(wanted);
    const int error = errno;
    cap_free(wanted);
    if (now != nullptr) cap_free(now);
    if (result < 0) refuse("give up capabilities", error);
}

}  // namespace

void harden(const Hardening& hardening) {
    if (const int result = sys::prctl(PR_SET_NO_NEW_PRIVS, 1); result < 0)
        refuse("forbid new privileges", -result);
    if (const int result = sys::prctl(PR_SET_DUMPABLE, 0); result < 0) refuse("become undumpable", -result);
    int index = 0;
    // Without its scope of signals: the jail's processes are outside, and must be ended.
    const int error =
        restrict_paths(hardening.paths, -1, {.tcp = true, .abstract_sockets = true, .signals = false}, index);
    if (error != 0 && error != ENOSYS && error != EOPNOTSUPP)
        refuse("restrict the use of paths by Landlock", error);
    keep_one_capability(hardening.signals);
    const auto filter = hardened_filter();
    if (const int result = sys::seccomp_install(filter.data(), filter.size()); result < 0)
        refuse("install the system call filter", -result);
}

}  // namespace qvm::jail
