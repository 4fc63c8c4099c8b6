// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls that are refused to any command, whatever it is.
#include <cerrno>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "jail/filter.hpp"

namespace qvm::jail {

namespace {

struct Group {
    const char* reason;
    std::vector<const char*> calls;
};

const std::vector<Group>& refused_calls() {
    static const std::vector<Group> groups = {
        {"mounts and roots: the jail's file system stays as it was built",
         {"mount", "umount2", "pivot_root", "chroot", "mount_setattr", "move_mount", "open_tree", "fsopen",
          "fsconfig", "fsmount", "fspick", "quotactl", "quotactl_fd", "fanotify_init"}},
        {"namespaces: a new user namespace gives capabilities, and with them most of the kernel",
         {"unshare", "setns"}},
        {"other processes: their memory, registers and descriptors",
         {"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease",
          "pidfd_getfd", "kcmp", "migrate_pages", "move_pages"}},
        {"the kernel's own machinery, where its bugs are",
         {"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "lookup_dcookie",
          "vhangup"}},
        {"the machine: its kernel, modules, clock, ports, swap, log and name",
         {"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon",
          "swapoff", "acct", "syslog", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "iopl",
          "ioperm", "sethostname", "setdomainname", "nfsservctl"}},
        {"files by handle instead of by name: past the jail's root", {"open_by_handle_at"}},
    };
    return groups;
}

/// Everything above clone's signal number that makes a namespace.
constexpr std::uint32_t namespace_flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                             CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

bool is_allowed_family(std::uint32_t family) {
    return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

/// Families 0 to 31 one by one; the higher ones by a bit that is set.
void refuse_families(FilterBuilder& filter, const char* call) {
    constexpr std::uint32_t one_by_one = 32;
    for (std::uint32_t family = 0; family < one_by_one; ++family)
        if (!is_allowed_family(family)) filter.refuse(call, EAFNOSUPPORT, {{.index = 0, .value = family}});
    for (std::uint32_t bit = one_by_one; bit != 0; bit <<= 1U)
        filter.refuse(call, EAFNOSUPPORT, {{.index = 0, .value = bit, .mask = bit}});
}

/// All but 0 and 0xffffffff, which asks: in any other number a bit that is set stands beside one that is not.
void refuse_personalities(FilterBuilder& filter) {
    for (unsigned bit = 0; bit < 32; ++bit) {
        const std::uint32_t set = 1U << bit;
        const std::uint32_t clear = 1U << (bit + 1) % 32;
        filter.refuse("personality", EPERM, {{.index = 0, .value = set, .mask = set | clear}});
    }
}

void add_rules(FilterBuilder& filter) {
    for (const auto& group : refused_calls()) {
        filter.because(group.reason);
        for (const char* call : group.calls) filter.refuse(call, EPERM);
    }
    filter.because("new namespaces by the way of a new process");
    for (const auto flag : namespace_flags)
        filter.refuse("clone", EPERM, {{.index = 0, .value = flag, .mask = flag}});
    filter.because("typing into the terminal it shares with its caller");
    for (const std::uint32_t request : {TIOCSTI, TIOCLINUX})
        filter.refuse("ioctl", EPERM, {{.index = 1, .value = request}});
    filter.because("sockets other than Unix, IPv4, IPv6 and netlink: vsock knows no namespace");
    refuse_families(filter, "socket");
    filter.because("execution domains other than Linux's own: they undo protections");
    refuse_personalities(filter);
    filter.because("done without: the program goes on with something older");
    // Its flags lie in memory, where a filter cannot look; the C library falls back to clone.
    filter.refuse("clone3", ENOSYS);
    // It opens and connects past every filter.
    for (const char* call : {"io_uring_setup", "io_uring_enter", "io_uring_register"})
        filter.refuse(call, ENOSYS);
}

}  // namespace

Filter command_filter() {
    FilterBuilder filter(FilterBuilder::Otherwise::Allow);
    add_rules(filter);
    return {.program = filter.program()};
}

std::vector<Rule> command_filter_rules() {
    FilterBuilder filter(FilterBuilder::Otherwise::Allow);
    add_rules(filter);
    return filter.rules();
}

}  // namespace qvm::jail
