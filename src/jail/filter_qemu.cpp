// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls of QEMU system emulators: measured on 7.2, 10.0 and 11.1, from start to hotplug to end.
#include <asm/termbits.h>
#include <cerrno>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <scsi/sg.h>
#include <span>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "jail/filter.hpp"
#include "jail/filter_rules.hpp"

namespace qvm::jail {

namespace {

struct Group {
    const char* reason;
    std::vector<const char*> calls;
};

/// None of these reaches further than the descriptors the process has and the jail's read-only root.
const std::vector<Group>& harmless_calls() {
    static const std::vector<Group> groups = {
        {"memory: guest RAM, translated code (which is written and executed), memory back ends",
         {"brk", "mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "msync", "mincore", "mlock",
          "mlock2", "munlock", "mlockall", "munlockall", "memfd_create", "mbind", "get_mempolicy",
          "set_mempolicy", "membarrier"}},
        {"reading and writing what is open",
         {"read",      "readv",       "pread64",   "preadv",      "preadv2",
          "write",     "writev",      "pwrite64",  "pwritev",     "pwritev2",
          "lseek",     "_llseek",     "close",     "close_range", "dup",
          "dup2",      "dup3",        "fsync",     "fdatasync",   "sync_file_range",
          "ftruncate", "ftruncate64", "fallocate", "fadvise64",   "copy_file_range",
          "sendfile",  "flock"}},
        {"files of the jail: libraries, modules, firmware",
         {"access",     "faccessat",  "faccessat2", "stat",    "lstat",    "fstat",     "newfstatat",
          "fstatat64",  "statx",      "statfs",     "fstatfs", "statfs64", "fstatfs64", "readlink",
          "readlinkat", "getdents64", "getcwd",     "fchdir",  "chdir",    "umask"}},
        {"waiting",
         {"poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
          "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "pipe", "pipe2", "futex", "restart_syscall",
          "sched_yield", "pause"}},
        {"native asynchronous input and output",
         {"io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_cancel", "io_destroy"}},
        {"time",
         {"clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "time", "nanosleep",
          "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete",
          "timerfd_create", "timerfd_settime", "timerfd_gettime", "times", "getitimer", "setitimer",
          "alarm"}},
        {"signals of its own",
         {"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigpending", "rt_sigtimedwait",
          "rt_sigsuspend", "sigaltstack", "signalfd", "signalfd4"}},
        {"what threads do to themselves",
         {"exit", "exit_group", "gettid", "set_tid_address", "set_robust_list", "rseq", "arch_prctl",
          "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
          "sched_get_priority_min", "getcpu"}},
        {"questions about itself",
         {"getpid",  "getppid",   "getpgrp",   "getpgid",    "getsid",    "getuid",     "geteuid",
          "getgid",  "getegid",   "getresuid", "getresgid",  "getgroups", "capget",     "uname",
          "sysinfo", "getrandom", "getrlimit", "ugetrlimit", "getrusage", "getpriority"}},
        {"more filters of its own (-sandbox): they only add up", {"seccomp"}},
        {"sockets it was given",
         {"listen", "accept", "accept4", "shutdown", "getsockname", "getpeername", "sendto", "sendmsg",
          "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"}},
    };
    return groups;
}

/// These reach no further in a root and in namespaces of its own.
const std::vector<Group>& calls_in_own_namespaces() {
    static const std::vector<Group> groups = {
        {"files of the jail: its root is read-only", {"open", "openat", "unlink", "unlinkat"}},
        {"Unix sockets within the jail", {"bind", "connect"}},
        {"the jail's processes", {"get_robust_list"}},
    };
    return groups;
}

/// A call is allowed when its argument number `index` is one of `values`.
struct Choice {
    const char* call;
    unsigned index;
    std::vector<std::uint32_t> values;
};

const std::vector<Choice>& limited_calls() {
    static const std::vector<Choice> choices = {
        {"prctl",
         0,
         {PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_MCE_KILL, PR_CAPBSET_READ,
          PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, PR_SET_VMA}},
        // Not F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY: they make the kernel send signals.
        {"fcntl",
         1,
         {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW,
          F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS, F_GET_SEALS, F_GETPIPE_SZ, F_SETPIPE_SZ}},
        {"ioctl",
         1,
         {// any descriptor
          FIONREAD, FIONBIO, FIOCLEX,
          // disks and files; 0x800c581e is XFS_IOC_DIOINFO
          BLKSSZGET, BLKPBSZGET, BLKBSZGET, BLKGETSIZE64, BLKROGET, BLKDISCARD, BLKZEROOUT, BLKALIGNOFF,
          BLKIOMIN, BLKIOOPT, BLKSECTGET, BLKROTATIONAL, BLKFLSBUF, FS_IOC_FSGETXATTR, FS_IOC_GETFLAGS,
          FS_IOC_FIEMAP, 0x800c581e,
          // SCSI pass-through to disks it was given
          SG_IO, SG_GET_VERSION_NUM, SG_GET_SCSI_ID, SG_GET_RESERVED_SIZE, SG_SET_RESERVED_SIZE,
          SG_EMULATED_HOST,
          // terminals, not TIOCSTI: is it one, its modes, its size, a pty of its own
          TCGETS, TCSETS, TCSETSW, TCSETSF, TCGETS2, TCSETS2, TCSETSW2, TCSETSF2, TCFLSH, TCXONC, TIOCGWINSZ,
          TIOCMGET, TIOCMSET, TIOCGPTN, TIOCSPTLCK, TIOCGPTPEER,
          // taps it was given; making one needs /dev/net/tun
          TUNGETIFF, TUNGETFEATURES, TUNSETOFFLOAD, TUNSETSNDBUF, TUNGETSNDBUF, TUNGETVNETHDRSZ,
          TUNSETVNETHDRSZ, TUNSETVNETLE, TUNSETVNETBE, TUNSETQUEUE}},
    };
    return choices;
}

/// Not SO_PEERPIDFD, a handle on the process that listens outside, nor SO_ATTACH_*, programs for the kernel.
constexpr std::uint32_t asked_of_sockets[] = {SO_TYPE,       SO_ERROR,  SO_DOMAIN, SO_PROTOCOL,
                                              SO_ACCEPTCONN, SO_SNDBUF, SO_RCVBUF, SO_PEERCRED};
constexpr std::uint32_t set_on_sockets[] = {SO_REUSEADDR, SO_KEEPALIVE, SO_SNDBUF,
                                            SO_RCVBUF,    SO_BROADCAST, SO_ZEROCOPY};

void allow_socket_options(FilterBuilder& filter) {
    const auto allow = [&](const char* call, std::uint32_t level, std::uint32_t option) {
        filter.allow(call, {{.index = 1, .value = level}, {.index = 2, .value = option}});
    };
    for (const auto option : asked_of_sockets) allow("getsockopt", SOL_SOCKET, option);
    for (const auto option : set_on_sockets) allow("setsockopt", SOL_SOCKET, option);
    // VNC and migration over connections that were handed in.
    for (const std::uint32_t option : {TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT}) {
        allow("getsockopt", IPPROTO_TCP, option);
        allow("setsockopt", IPPROTO_TCP, option);
    }
}

constexpr std::uint32_t ioctl_type_mask = 0xff00;
constexpr std::uint32_t ioctl_type_kvm = 0xae00;
constexpr std::uint32_t ioctl_type_vhost = 0xaf00;

/// Threads, not processes: all that makes a thread one, and nothing else but where its ids and its storage
/// go.
constexpr std::uint32_t thread_flags =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
constexpr std::uint32_t thread_options =
    CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_DETACHED;

constexpr std::uint32_t socket_type_mask = 0xf;  ///< above are SOCK_CLOEXEC and SOCK_NONBLOCK

/// Measured of slirp; no raw sockets, and no protocol that is rarely used (SCTP, MPTCP).
void allow_internet(FilterBuilder& filter) {
    struct Kind {
        std::uint32_t domain, type, protocol;
    };
    constexpr Kind kinds[] = {
        {AF_INET, SOCK_STREAM, 0},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP},
        {AF_INET, SOCK_DGRAM, 0},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDP},
        {AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
        {AF_INET6, SOCK_STREAM, 0},
        {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
        {AF_INET6, SOCK_DGRAM, 0},
        {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
        {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6},
    };
    for (const auto& [domain, type, protocol] : kinds)
        filter.allow("socket", {{.index = 0, .value = domain},
                                {.index = 1, .value = type, .mask = socket_type_mask},
                                {.index = 2, .value = protocol}});
    const auto set = [&](std::uint32_t level, std::uint32_t option) {
        filter.allow("setsockopt", {{.index = 1, .value = level}, {.index = 2, .value = option}});
    };
    set(SOL_SOCKET, SO_OOBINLINE);
    set(IPPROTO_IP, IP_TTL);
    set(IPPROTO_IP, IP_RECVERR);
    set(IPPROTO_IPV6, IPV6_V6ONLY);
    set(IPPROTO_IPV6, IPV6_UNICAST_HOPS);
    set(IPPROTO_IPV6, IPV6_RECVERR);
}

constexpr const char* io_uring_calls[] = {"io_uring_setup", "io_uring_enter", "io_uring_register"};

void add_extras(FilterBuilder& filter, const FilterOptions& options) {
    if (options.internet) {
        filter.because("the host's network: TCP, UDP and echo requests");
        allow_internet(filter);
        // A strict jail has these anyway. There is no socket but these and connected ones to use them on.
        if (options.mode == Mode::Reduced)
            for (const char* call : {"bind", "connect"}) filter.allow(call);
    }
    if (!options.io_uring) return;
    filter.because("io_uring, past this filter: what it opens, connects and sends is not seen here");
    for (const char* call : io_uring_calls) filter.allow(call);
}

void add_groups(FilterBuilder& filter, const std::vector<Group>& groups) {
    for (const auto& group : groups) {
        filter.because(group.reason);
        for (const char* call : group.calls) filter.allow(call);
    }
}

void add_strict_rules(FilterBuilder& filter) {
    add_groups(filter, calls_in_own_namespaces());
    filter.because("Unix sockets within the jail");
    for (const char* call : {"socket", "socketpair"}) filter.allow(call, {{.index = 0, .value = AF_UNIX}});
    filter.because("signals to itself");
    filter.allow("tgkill", {{.index = 0, .value = process_pid_inside}});
    filter.because("its own processors, not the stub's");
    // Any thread but the stub, which is 1: bit 0 of its number is clear, or another one is set.
    filter.allow("sched_setaffinity", {{.index = 0, .value = 0, .mask = 1}});
    for (unsigned bit = 1; bit < 32; ++bit)
        filter.allow("sched_setaffinity", {{.index = 0, .value = 1U << bit, .mask = 1U << bit}});
}

constexpr std::uint32_t tmpfile_flag = O_TMPFILE & ~O_DIRECTORY;
constexpr std::uint32_t changes_of_open = O_CREAT | O_TRUNC | tmpfile_flag;

/// What the host's root and namespaces would let it reach is not there to be called. Where Landlock is, it
/// says the same of files once more.
void add_reduced_rules(FilterBuilder& filter, const FilterOptions& options) {
    filter.because("files that are there: nothing is made or emptied");
    filter.allow("open", {{.index = 1, .value = 0, .mask = changes_of_open}});
    filter.allow("openat", {{.index = 2, .value = 0, .mask = changes_of_open}});
    filter.because("pairs of sockets that are connected for good: none of them can send elsewhere");
    filter.allow("socketpair", {{.index = 0, .value = AF_UNIX},
                                {.index = 1, .value = SOCK_STREAM, .mask = socket_type_mask}});
    filter.because("signals to itself");
    filter.allow("tgkill", {{.index = 0, .value = own_pid}});
    filter.because("its own processors, of the calling thread");
    for (const std::uint32_t pid : {std::uint32_t{0}, own_pid})
        filter.allow("sched_setaffinity", {{.index = 0, .value = pid}});
    // Whatever becomes of a violation: these are tried by libraries, and at QEMU's own end.
    filter.because("Unix sockets come as descriptors, and are removed by who made them");
    filter.refuse("socket", EACCES, {{.index = 0, .value = AF_UNIX}});
    for (const char* call : {"unlink", "unlinkat"}) filter.refuse(call, EACCES);
    if (!options.internet)
        for (const char* call : {"bind", "connect"}) filter.refuse(call, EACCES);
    filter.because("making and emptying files");
    for (const std::uint32_t flag :
         {static_cast<std::uint32_t>(O_CREAT), static_cast<std::uint32_t>(O_TRUNC), tmpfile_flag}) {
        filter.refuse("open", EACCES, {{.index = 1, .value = flag, .mask = flag}});
        filter.refuse("openat", EACCES, {{.index = 2, .value = flag, .mask = flag}});
    }
}

}  // namespace

void add_qemu_rules(FilterBuilder& filter, int exec_fd, const FilterOptions& options) {
    add_groups(filter, harmless_calls());
    filter.because("only with these arguments");
    for (const auto& [call, index, values] : limited_calls())
        for (const auto value : values) filter.allow(call, {{.index = index, .value = value}});
    for (const auto type : {ioctl_type_kvm, ioctl_type_vhost})
        filter.allow("ioctl", {{.index = 1, .value = type, .mask = ioctl_type_mask}});
    filter.because("options of sockets, none that makes a descriptor or a program for the kernel");
    allow_socket_options(filter);
    filter.because("threads, never processes");
    filter.allow("clone", {{.index = 0, .value = thread_flags, .mask = ~thread_options}});
    filter.because("its own limits, not the stub's");
    // Its own limits: with RLIMIT_FSIZE on the stub, which has our uid, there would be no log.
    filter.allow("prlimit64", {{.index = 0, .value = 0}});
    if (options.mode == Mode::Reduced)
        add_reduced_rules(filter, options);
    else
        add_strict_rules(filter);
    add_extras(filter, options);
    filter.because("the one exec that starts it");
    filter.allow("execveat", {{.index = 0, .value = static_cast<std::uint32_t>(exec_fd)},
                              {.index = 4, .value = AT_EMPTY_PATH}});
    // Its flags lie in memory, where a filter cannot look; the C library falls back to clone.
    filter.because("done without: the program goes on with something older");
    filter.refuse("clone3", ENOSYS);
    // It opens and connects past every filter; QEMU goes on without.
    if (!options.io_uring)
        for (const char* call : io_uring_calls) filter.refuse(call, ENOSYS);
}

Filter qemu_filter(int exec_fd, Violation violation, const FilterOptions& options) {
    FilterBuilder builder(FilterBuilder::Otherwise::Refuse, violation);
    add_qemu_rules(builder, exec_fd, options);
    Filter filter = builder.filter();
    filter.exec_fd = exec_fd;
    filter.log = violation == Violation::Log;
    return filter;
}

std::vector<Rule> qemu_filter_rules(int exec_fd, const FilterOptions& options) {
    FilterBuilder filter;
    add_qemu_rules(filter, exec_fd, options);
    return filter.rules();
}

}  // namespace qvm::jail
