// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls of QEMU system emulators: measured on 7.2, 10.0 and 11.1, from start to hotplug to end.
#include <asm/termbits.h>
#include <cerrno>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/usbdevice_fs.h>
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
    const char* unseen = "";  ///< see Rule: test_syscalls.py wants it for what is not seen, and only for that
};

constexpr const char* memory =
    "memory: guest RAM, translated code (which is written and executed), memory back ends";
constexpr const char* files = "reading and writing what is open";
constexpr const char* names = "files of the jail: libraries, modules, firmware";
constexpr const char* waiting = "waiting";
constexpr const char* time = "time";
constexpr const char* signals = "signals of its own";
constexpr const char* threads = "what threads do to themselves";
constexpr const char* itself = "questions about itself";

constexpr const char* privileged =
    "build: libraries that ask whether they are privileged (SASL, libcap-ng, PulseAudio)";

/// None of these reaches further than the descriptors the process has and the jail's read-only root.
const std::vector<Group>& harmless_calls() {
    static const std::vector<Group> groups = {
        {memory,
         {"brk", "mmap", "mmap2", "munmap", "mprotect", "madvise", "memfd_create", "mbind", "get_mempolicy",
          "set_mempolicy"}},
        {memory, {"mremap"}, "libc: realloc of a large block moves it"},
        {memory, {"mlockall"}, "device: memory that stays in place (-overcommit mem-lock)"},
        {memory, {"mlock"}, "build: --enable-gcrypt, whose secrets are not to be swapped out"},
        {memory, {"msync"}, "build: qemu-system-aarch64, whose guests write memory back"},
        {memory, {"membarrier"}, "build: --enable-membarrier, which ends without it"},
        {files,
         {"read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "lseek", "_llseek",
          "close", "fsync", "fdatasync", "ftruncate", "ftruncate64", "fallocate", "fadvise64",
          "copy_file_range"}},
        {files, {"dup"}, "device: the file that a migration with mapped RAM is loaded from"},
        {names,
         {"access", "fstat", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "statfs64", "fstatfs64",
          "readlink", "readlinkat"}},
        {names, {"getdents64"}, "device: vvfat, of a directory that jail.binds-ro names"},
        {names, {"stat", "lstat"}, "libc: musl, and glibc before 2.33"},
        {names, {"faccessat", "faccessat2"}, "libc: architectures without access"},
        {waiting, {"poll", "ppoll", "epoll_create1", "epoll_ctl", "epoll_wait", "eventfd2", "futex"}},
        {waiting, {"epoll_pwait"}, "libc: musl, and architectures without epoll_wait"},
        {waiting, {"restart_syscall"}, "error: the kernel goes on with a wait that a stop interrupted"},
        {waiting, {"sched_yield"}, "error: spinning for a lock that another thread keeps"},
        {"native asynchronous input and output", {"io_setup", "io_submit", "io_destroy"}},
        {time, {"clock_nanosleep"}},
        {time, {"nanosleep"}, "libc: musl, and glibc before 2.31"},
        {time,
         {"clock_gettime", "gettimeofday", "time"},
         "error: a clock that cannot be read without a call"},
        {signals, {"rt_sigaction", "rt_sigprocmask", "signalfd4"}},
        {signals, {"rt_sigreturn", "sigreturn"}, "kvm: a processor is interrupted"},
        {signals, {"rt_sigpending", "rt_sigtimedwait"}, "kvm: the interruption is taken back"},
        {signals, {"sigaltstack", "rt_sigsuspend"}, "build: --with-coroutine=sigaltstack"},
        {threads,
         {"exit", "exit_group", "gettid", "set_tid_address", "set_robust_list", "rseq", "arch_prctl",
          "sched_getaffinity"}},
        {threads, {"getcpu"}, "libc: where neither rseq nor the vDSO tells (GLib 2.90 asks)"},
        {itself, {"getpid", "sysinfo", "getrandom"}},
        {"how long a key derivation takes (LUKS)", {"getrusage"}},
        {itself, {"uname"}, "kvm: which kernel it is"},
        {itself,
         {"getuid", "geteuid", "getgid", "getegid", "getppid", "getresuid", "getresgid", "getgroups",
          "capget"},
         privileged},
        {"more filters of its own (-sandbox): they only add up", {"seccomp"}},
        {"sockets it was given",
         {"listen", "accept4", "shutdown", "getsockname", "getpeername", "sendto", "sendmsg", "recvfrom",
          "recvmsg"}},
        {"sockets it was given", {"accept"}, "device: forwarded ports of slirp, and SPICE"},
    };
    return groups;
}

/// These reach no further in a root and in namespaces of its own.
std::vector<Group> calls_in_own_namespaces(bool unix_sockets) {
    std::vector<Group> groups = {
        {names, {"openat", "unlink"}},
        {names, {"open"}, "libc: musl, and glibc before 2.33"},
        {names, {"unlinkat"}, "libc: architectures without unlink"},
    };
    if (unix_sockets) groups.push_back({"Unix sockets within the jail", {"bind", "connect"}});
    return groups;
}

/// A call is allowed when its argument number `index` is one of `values`.
struct Choice {
    const char* call;
    unsigned index;
    std::vector<std::uint32_t> values;
    const char* unseen = "";  ///< as a Group's
};

constexpr const char* block_devices = "device: disks of the host";
constexpr const char* scsi_devices = "device: SCSI pass-through to disks it was given";
/// DM_MPATH_PROBE_PATHS of linux/dm-ioctl.h, which has it since 6.16: 10.1 and newer, where a path failed.
constexpr std::uint32_t dm_mpath_probe_paths = _IO(0xfd, 18);
constexpr const char* taps = "device: taps it was given; making one needs /dev/net/tun";

const std::vector<Choice>& limited_calls() {
    static const std::vector<Choice> choices = {
        {"prctl", 0, {PR_SET_NAME, PR_SET_TIMERSLACK, PR_MCE_KILL, PR_CAPBSET_READ, PR_SET_NO_NEW_PRIVS}},
        {"prctl", 0, {PR_GET_NAME}, "error: 11.1 asks what a thread is called"},
        {"prctl", 0, {PR_GET_NO_NEW_PRIVS}, privileged},
        // Not F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY: they make the kernel send signals.
        {"fcntl", 1, {F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFL, F_OFD_GETLK, F_OFD_SETLK, F_ADD_SEALS}},
        {"fcntl", 1, {F_SETFD}, "libc: a C library that cannot open with O_CLOEXEC"},
        // 0x800c581e is XFS_IOC_DIOINFO.
        {"ioctl", 1, {BLKSSZGET, 0x800c581e, FS_IOC_FSGETXATTR}},
        {"ioctl", 1, {BLKPBSZGET, BLKROGET, BLKDISCARD, BLKZEROOUT, BLKSECTGET}, block_devices},
        {"ioctl",
         1,
         {SG_IO, SG_GET_VERSION_NUM, SG_GET_SCSI_ID, SG_GET_SG_TABLESIZE, dm_mpath_probe_paths},
         scsi_devices},
        // Not CDROMEJECT, which stops disks, too.
        {"ioctl", 1, {CDROM_DRIVE_STATUS}, "device: CD drives of the host"},
        // Terminals, not TIOCSTI: is it one, its modes, its lines.
        {"ioctl", 1, {TCGETS, TCSETS, TCGETS2, TCSETS2, TIOCMGET}},
        {"ioctl", 1, {TIOCMSET, TCSBRKP}, "device: a serial line of the host, whose guest sets its lines"},
        {"ioctl",
         1,
         {TUNGETIFF, TUNSETOFFLOAD, TUNSETSNDBUF, TUNGETVNETHDRSZ, TUNSETVNETHDRSZ, TUNSETVNETLE,
          TUNSETVNETBE, TUNSETQUEUE},
         taps},
    };
    return choices;
}

/// Not SO_PEERPIDFD, a handle on the process that listens outside, nor SO_ATTACH_*, programs for the kernel.
void allow_socket_options(FilterBuilder& filter) {
    const auto allow = [&](const char* call, std::uint32_t level, std::uint32_t option) {
        filter.allow(call, {{.index = 1, .value = level}, {.index = 2, .value = option}});
    };
    constexpr const char* reason =
        "options of sockets, none that makes a descriptor or a program for the kernel";
    filter.because(reason);
    allow("getsockopt", SOL_SOCKET, SO_TYPE);
    allow("setsockopt", SOL_SOCKET, SO_SNDBUF);
    allow("setsockopt", SOL_SOCKET, SO_ZEROCOPY);
    // VNC, migration and NBD over connections that were handed in.
    allow("setsockopt", IPPROTO_TCP, TCP_NODELAY);
    allow("setsockopt", IPPROTO_TCP, TCP_CORK);
    filter.because(reason, "build: the D-Bus display (add_client @dbus-display)");
    for (const std::uint32_t option : {SO_DOMAIN, SO_PROTOCOL, SO_PEERCRED, SO_ERROR})
        allow("getsockopt", SOL_SOCKET, option);
    allow("setsockopt", SOL_SOCKET, SO_KEEPALIVE);
    filter.because(reason,
                   "build: SPICE (add_client), which sets these of each client, and of those for sound");
    allow("setsockopt", IPPROTO_TCP, TCP_KEEPIDLE);
    allow("setsockopt", SOL_SOCKET, SO_PRIORITY);
    allow("setsockopt", IPPROTO_IP, IP_TOS);
}

constexpr std::uint32_t ioctl_type_mask = 0xff00;
constexpr std::uint32_t ioctl_type_kvm = 0xae00;
constexpr std::uint32_t ioctl_type_vhost = 0xaf00;
constexpr std::uint32_t ioctl_type_vfio = 0x3b00;  ///< linux/vfio.h: VFIO_TYPE

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
    for (const std::uint32_t option : {SO_OOBINLINE, SO_REUSEADDR, SO_BROADCAST}) set(SOL_SOCKET, option);
    for (const std::uint32_t option : {TCP_KEEPINTVL, TCP_KEEPCNT}) set(IPPROTO_TCP, option);
    set(IPPROTO_IP, IP_TTL);
    set(IPPROTO_IP, IP_RECVERR);
    set(IPPROTO_IPV6, IPV6_V6ONLY);
    set(IPPROTO_IPV6, IPV6_UNICAST_HOPS);
    set(IPPROTO_IPV6, IPV6_RECVERR);
    filter.allow("getsockopt", {{.index = 1, .value = IPPROTO_TCP}, {.index = 2, .value = TCP_NODELAY}});
    filter.allow("ioctl", {{.index = 1, .value = FIONREAD}});
    // Block drivers' libraries (libcurl, libssh) resolve names in threads; hv-syndbg waits for its debugger.
    for (const char* call : {"sendmmsg", "recvmmsg", "pipe", "pipe2", "select", "pselect6"})
        filter.allow(call);
}

/// What libusb asks of a device's file, for QEMU's usb-host. Not USBDEVFS_DISCSIGNAL, which sends signals;
/// not USBDEVFS_CLAIM_PORT and USBDEVFS_HUB_PORTINFO, which are for hubs and what is behind them.
constexpr std::uint32_t usb_requests[] = {
    USBDEVFS_CONTROL,
    USBDEVFS_BULK,
    USBDEVFS_SETINTERFACE,
    USBDEVFS_SETCONFIGURATION,
    USBDEVFS_GETDRIVER,
    USBDEVFS_SUBMITURB,
    USBDEVFS_DISCARDURB,
    USBDEVFS_REAPURB,
    USBDEVFS_REAPURBNDELAY,
    USBDEVFS_CLAIMINTERFACE,
    USBDEVFS_RELEASEINTERFACE,
    USBDEVFS_CONNECTINFO,
    USBDEVFS_RESET,
    USBDEVFS_CLEAR_HALT,
    USBDEVFS_GET_CAPABILITIES,
    USBDEVFS_DISCONNECT_CLAIM,
    USBDEVFS_ALLOC_STREAMS,
    USBDEVFS_FREE_STREAMS,
    USBDEVFS_GET_SPEED,
    // Of these a driver of the host's gets what is asked; only those of hubs and of tests know a question.
    USBDEVFS_IOCTL,
};

void allow_usb(FilterBuilder& filter) {
    constexpr const char* device = "device: USB devices of the host";
    filter.because("usb: the host's devices that the VM has", device);
    for (const auto request : usb_requests) filter.allow("ioctl", {{.index = 1, .value = request}});
    filter.because("usb: libusb waits for devices that come, and does not start where it cannot", device);
    filter.allow("socket", {{.index = 0, .value = AF_NETLINK},
                            {.index = 1, .value = SOCK_RAW, .mask = socket_type_mask},
                            {.index = 2, .value = NETLINK_KOBJECT_UEVENT}});
    filter.allow("bind");
    filter.allow("getsockopt", {{.index = 1, .value = SOL_SOCKET}, {.index = 2, .value = SO_RCVBUF}});
    for (const std::uint32_t option : {SO_PASSCRED, SO_RCVBUF, SO_RCVBUFFORCE, SO_ATTACH_FILTER})
        filter.allow("setsockopt", {{.index = 1, .value = SOL_SOCKET}, {.index = 2, .value = option}});
    filter.because("usb: how long a transfer may take", device);
    for (const char* call : {"timerfd_create", "timerfd_settime"}) filter.allow(call);
}

/// What gtk and sdl ask of a reduced jail. A filter cannot see where a socket is connected to.
void allow_window(FilterBuilder& filter) {
    filter.because("a window of its own: the session's X server or compositor",
                   "device: a display of gtk or sdl");
    filter.allow("socket", {{.index = 0, .value = AF_UNIX},
                            {.index = 1, .value = SOCK_STREAM, .mask = socket_type_mask}});
    filter.allow("connect");
    // gtk does without memory that it shares with the X server, and that others share with it.
    filter.refuse("shmget", ENOSYS);
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
    if (options.vfio) {
        filter.because("vfio: the host's devices that the VM has", "device: vfio");
        filter.allow("ioctl", {{.index = 1, .value = ioctl_type_vfio, .mask = ioctl_type_mask}});
    }
    if (options.usb) allow_usb(filter);
    if (options.window && options.mode == Mode::Reduced) allow_window(filter);
    if (!options.io_uring) return;
    filter.because("io_uring, past this filter: what it opens, connects and sends is not seen here");
    for (const char* call : io_uring_calls) filter.allow(call);
}

void add_groups(FilterBuilder& filter, const std::vector<Group>& groups) {
    for (const auto& group : groups) {
        filter.because(group.reason, group.unseen);
        for (const char* call : group.calls) filter.allow(call);
    }
}

void add_strict_rules(FilterBuilder& filter, bool unix_sockets) {
    add_groups(filter, calls_in_own_namespaces(unix_sockets));
    if (unix_sockets) {
        filter.because("Unix sockets within the jail");
        for (const char* call : {"socket", "socketpair"})
            filter.allow(call, {{.index = 0, .value = AF_UNIX}});
    }
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

void allow_only_what_is_there(FilterBuilder& filter) {
    filter.because("files that are there: nothing is made or emptied");
    filter.allow("open", {{.index = 1, .value = 0, .mask = changes_of_open}});
    filter.allow("openat", {{.index = 2, .value = 0, .mask = changes_of_open}});
    // Whatever becomes of a violation: these are tried by libraries, and at QEMU's own end.
    filter.because("making, emptying and removing files");
    for (const char* call : {"unlink", "unlinkat"}) filter.refuse(call, EACCES);
    for (const std::uint32_t flag :
         {static_cast<std::uint32_t>(O_CREAT), static_cast<std::uint32_t>(O_TRUNC), tmpfile_flag}) {
        filter.refuse("open", EACCES, {{.index = 1, .value = flag, .mask = flag}});
        filter.refuse("openat", EACCES, {{.index = 2, .value = flag, .mask = flag}});
    }
}

/// What the host's root and namespaces would let it reach is not there to be called. Where Landlock is, it
/// says the same of files once more.
void add_reduced_rules(FilterBuilder& filter, const FilterOptions& options) {
    if (options.makes_files) {
        filter.because("files of the one directory it may write to");
        for (const char* call : {"open", "openat", "unlink", "unlinkat"}) filter.allow(call);
    } else {
        allow_only_what_is_there(filter);
    }
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
    if (!options.window) filter.refuse("socket", EACCES, {{.index = 0, .value = AF_UNIX}});
    if (!options.internet && !options.usb) filter.refuse("bind", EACCES);
    if (!options.internet && !options.window) filter.refuse("connect", EACCES);
}

}  // namespace

void add_qemu_rules(FilterBuilder& filter, int exec_fd, const FilterOptions& options) {
    add_groups(filter, harmless_calls());
    constexpr const char* arguments = "only with these arguments";
    for (const auto& choice : limited_calls()) {
        filter.because(arguments, choice.unseen);
        for (const auto value : choice.values)
            filter.allow(choice.call, {{.index = choice.index, .value = value}});
    }
    filter.because(arguments, "kvm: all of it");
    filter.allow("ioctl", {{.index = 1, .value = ioctl_type_kvm, .mask = ioctl_type_mask}});
    filter.because(arguments, "device: vhost");
    filter.allow("ioctl", {{.index = 1, .value = ioctl_type_vhost, .mask = ioctl_type_mask}});
    allow_socket_options(filter);
    filter.because("threads, never processes");
    filter.allow("clone", {{.index = 0, .value = thread_flags, .mask = ~thread_options}});
    filter.because("its own limits, not the stub's");
    // Its own limits: with RLIMIT_FSIZE on the stub, which has our uid, there would be no log.
    filter.allow("prlimit64", {{.index = 0, .value = 0}});
    if (options.mode == Mode::Reduced)
        add_reduced_rules(filter, options);
    else
        add_strict_rules(filter, options.unix_sockets);
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
