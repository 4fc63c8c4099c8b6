// SPDX-License-Identifier: GPL-3.0-or-later
// The filter's program, run by a small interpreter: what it answers to a call, without making it.
#include "jail/filter.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/usbdevice_fs.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;

namespace {

using Words = std::initializer_list<std::uint64_t>;

constexpr int exec_fd = 1000;
constexpr std::uint64_t high_bit = std::uint64_t{1} << 32U;

std::uint32_t interpret(const std::vector<std::byte>& bytes, const seccomp_data& data) {
    std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
    std::memcpy(program.data(), bytes.data(), bytes.size());
    std::uint32_t a = 0;
    for (std::size_t at = 0; at < program.size(); ++at) {
        const auto& [code, yes, no, k] = program[at];
        bool holds = false;
        switch (code) {
            case BPF_LD | BPF_W | BPF_ABS:
                std::memcpy(&a, reinterpret_cast<const char*>(&data) + k, sizeof a);
                continue;
            case BPF_ALU | BPF_AND | BPF_K:
                a &= k;
                continue;
            case BPF_RET | BPF_K:
                return k;
            case BPF_JMP | BPF_JA:
                at += k;
                continue;
            case BPF_JMP | BPF_JEQ | BPF_K:
                holds = a == k;
                break;
            case BPF_JMP | BPF_JGT | BPF_K:
                holds = a > k;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                holds = a >= k;
                break;
            default:
                FAIL("an instruction that filters do not use: " << code);
        }
        at += holds ? yes : no;
    }
    FAIL("the program runs past its end");
    return 0;
}

std::uint32_t answer_of(const Filter& filter, long call, std::array<std::uint64_t, 6> arguments = {},
                        std::uint32_t arch = AUDIT_ARCH_X86_64) {
    seccomp_data data{};
    data.nr = static_cast<int>(call);
    data.arch = arch;
    std::copy(arguments.begin(), arguments.end(), data.args);
    return interpret(filter.program, data);
}

std::uint32_t answer(long call, std::array<std::uint64_t, 6> arguments = {},
                     std::uint32_t arch = AUDIT_ARCH_X86_64) {
    return answer_of(qemu_filter(exec_fd), call, arguments, arch);
}

constexpr std::uint32_t allowed = SECCOMP_RET_ALLOW;
constexpr std::uint32_t errno_of(int error) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

}  // namespace

#ifdef __x86_64__
TEST_CASE("the program is small and built once", "[jail]") {
    CHECK(qemu_filter(exec_fd).exec_fd == exec_fd);
    CHECK(qemu_filter(exec_fd).program.size() < BPF_MAXINSNS * sizeof(sock_filter));
    CHECK(qemu_filter(exec_fd).program != qemu_filter(exec_fd + 1).program);
}

TEST_CASE("what every version of QEMU does is allowed", "[jail]") {
    for (const long call : {SYS_read, SYS_pwritev, SYS_ppoll, SYS_futex, SYS_mmap, SYS_mprotect, SYS_openat,
                            SYS_fstat, SYS_statx, SYS_getpid, SYS_newfstatat, SYS_readlinkat, SYS_io_submit,
                            SYS_recvmsg, SYS_exit_group, SYS_seccomp, SYS_rseq, SYS_getrusage, SYS_dup})
        CHECK(answer(call) == allowed);
}

TEST_CASE("without namespaces, what they make harmless is not allowed", "[jail]") {
    const auto filter = qemu_filter(exec_fd, Violation::Errno, {.mode = Mode::Reduced});
    const auto reduced = [&](long call, std::array<std::uint64_t, 6> arguments = {}) {
        return answer_of(filter, call, arguments);
    };
    for (const long call : {SYS_connect, SYS_bind, SYS_unlink, SYS_unlinkat})
        CHECK(reduced(call) == errno_of(EACCES));
    CHECK(reduced(SYS_socket, {AF_UNIX, SOCK_STREAM}) == errno_of(EACCES));
    CHECK(reduced(SYS_socket, {AF_INET, SOCK_STREAM}) == errno_of(EPERM));
    CHECK(reduced(SYS_get_robust_list) == errno_of(EPERM));
    CHECK(reduced(SYS_kill, {2, 0}) == errno_of(EPERM));
    CHECK(reduced(SYS_execve) == errno_of(EPERM));
    for (const long call : {SYS_accept4, SYS_listen, SYS_sendmsg, SYS_recvmsg, SYS_read, SYS_newfstatat})
        CHECK(reduced(call) == allowed);
    CHECK(reduced(SYS_socketpair, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK}) == allowed);
    // Its ends could send to whoever has a name.
    CHECK(reduced(SYS_socketpair, {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC}) == errno_of(EPERM));
    CHECK(reduced(SYS_openat, {0, 0, O_RDWR | O_CLOEXEC}) == allowed);
    CHECK(reduced(SYS_openat, {0, 0, O_RDONLY | O_DIRECTORY}) == allowed);
    for (const std::uint64_t flags : {O_CREAT, O_TRUNC, O_TMPFILE, O_CREAT | O_TRUNC | O_WRONLY}) {
        CHECK(reduced(SYS_openat, {0, 0, flags}) == errno_of(EACCES));
        CHECK(reduced(SYS_open, {0, flags}) == errno_of(EACCES));
        CHECK(reduced(SYS_openat, {0, 0, flags | high_bit}) == errno_of(EACCES));
    }
    CHECK(answer(SYS_openat, {0, 0, O_CREAT}) == allowed);
    const auto killing = qemu_filter(exec_fd, Violation::Kill, {.mode = Mode::Reduced});
    CHECK(answer_of(killing, SYS_unlink) == errno_of(EACCES));  // as QEMU does at its end
    CHECK(answer_of(killing, SYS_kill) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("what a reduced jail is let have does not depend on its mode", "[jail]") {
    const auto filter_of = [](bool internet, bool io_uring) {
        return qemu_filter(exec_fd, Violation::Errno,
                           {.mode = Mode::Reduced, .internet = internet, .io_uring = io_uring});
    };
    const auto networked = filter_of(true, false);
    for (const std::uint64_t family : Words{AF_INET, AF_INET6}) {
        CHECK(answer_of(networked, SYS_socket, {family, SOCK_STREAM | SOCK_CLOEXEC, 0}) == allowed);
        CHECK(answer_of(networked, SYS_socket, {family, SOCK_RAW, 0}) == errno_of(EPERM));
    }
    for (const long call : {SYS_bind, SYS_connect}) CHECK(answer_of(networked, call) == allowed);
    // With these it would reach the host's services, and name them, by the host's files.
    for (const std::uint64_t type : Words{SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET})
        CHECK(answer_of(networked, SYS_socket, {AF_UNIX, type, 0}) == errno_of(EACCES));
    CHECK(answer_of(networked, SYS_socketpair, {AF_UNIX, SOCK_DGRAM}) == errno_of(EPERM));
    CHECK(answer_of(networked, SYS_unlink) == errno_of(EACCES));
    CHECK(answer_of(networked, SYS_io_uring_setup) == errno_of(ENOSYS));
    CHECK_FALSE(networked.own_pid.empty());

    const auto ringed = filter_of(false, true);
    for (const long call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register})
        CHECK(answer_of(ringed, call) == allowed);
    for (const long call : {SYS_bind, SYS_connect}) CHECK(answer_of(ringed, call) == errno_of(EACCES));
    CHECK(answer_of(ringed, SYS_socket, {AF_INET, SOCK_STREAM, 0}) == errno_of(EPERM));
    CHECK(answer_of(filter_of(false, false), SYS_io_uring_setup) == errno_of(ENOSYS));
}

TEST_CASE("the process's own id is written where it is compared, and only there", "[jail]") {
    CHECK(qemu_filter(exec_fd).own_pid.empty());
    auto filter = qemu_filter(exec_fd, Violation::Errno, {.mode = Mode::Reduced});
    REQUIRE_FALSE(filter.own_pid.empty());
    constexpr std::uint32_t pid = 4711;
    for (const auto at : filter.own_pid)
        std::memcpy(&filter.program[at * Filter::instruction_size + Filter::operand_offset], &pid,
                    sizeof pid);
    CHECK(answer_of(filter, SYS_tgkill, {pid, pid, 0}) == allowed);
    for (const std::uint64_t other :
         {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{4712}, std::uint64_t{own_pid}})
        CHECK(answer_of(filter, SYS_tgkill, {other, other, 0}) == errno_of(EPERM));
    for (const std::uint64_t self : {std::uint64_t{0}, std::uint64_t{pid}})
        CHECK(answer_of(filter, SYS_sched_setaffinity, {self}) == allowed);
    CHECK(answer_of(filter, SYS_sched_setaffinity, {4712}) == errno_of(EPERM));
}

TEST_CASE("a stub kills only where no pid namespace does it, and only for good", "[jail]") {
    const auto answers = [](Mode mode, std::uint64_t signal) {
        return answer_of({.program = stub_filter(mode)}, SYS_kill, {77, signal});
    };
    CHECK(answers(Mode::Strict, SIGKILL) == errno_of(EPERM));
    CHECK(answers(Mode::Reduced, SIGKILL) == allowed);
    CHECK(answers(Mode::Reduced, SIGTERM) == errno_of(EPERM));
}

TEST_CASE("what could reach beyond the jail is not", "[jail]") {
    for (const long call :
         {SYS_execve, SYS_fork, SYS_vfork, SYS_ptrace, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
          SYS_unshare, SYS_setns, SYS_bpf, SYS_keyctl, SYS_userfaultfd, SYS_perf_event_open, SYS_kexec_load,
          SYS_init_module, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_process_vm_readv,
          SYS_pidfd_getfd, SYS_pidfd_open, SYS_kill, SYS_tkill, SYS_mknod, SYS_rename, SYS_link, SYS_chmod,
          SYS_chown, SYS_setuid, SYS_personality, SYS_open_tree, SYS_move_mount, SYS_fsopen,
          SYS_mount_setattr, SYS_shmget, SYS_mq_open, SYS_syslog, SYS_sched_setscheduler, SYS_ioperm,
          SYS_iopl, SYS_reboot, SYS_sethostname, SYS_process_madvise,
          // Not dangerous, but nobody needs them.
          SYS_pipe2, SYS_dup3, SYS_timerfd_create, SYS_sendfile, SYS_timer_create, SYS_setitimer, SYS_chdir,
          SYS_mlock2, SYS_preadv2})
        CHECK(answer(call) == errno_of(EPERM));
    CHECK(answer(100'000) == errno_of(EPERM));
}

TEST_CASE("what programs do without is reported as missing", "[jail]") {
    for (const long call : {SYS_clone3, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register})
        CHECK(answer(call) == errno_of(ENOSYS));
}

TEST_CASE("other architectures and x32 are death", "[jail]") {
    constexpr long x32 = 0x40000000;
    CHECK(answer(SYS_read, {}, AUDIT_ARCH_I386) == SECCOMP_RET_KILL_PROCESS);
    CHECK(answer(SYS_read, {}, AUDIT_ARCH_AARCH64) == SECCOMP_RET_KILL_PROCESS);
    CHECK(answer(x32 | SYS_read) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("clone makes threads only", "[jail]") {
    constexpr std::uint64_t thread =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    constexpr std::uint64_t libc = thread | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    CHECK(answer(SYS_clone, {libc}) == allowed);
    CHECK(answer(SYS_clone, {thread}) == allowed);
    for (const std::uint64_t extra : Words{CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_PTRACE,
                                           CLONE_VFORK, SIGCHLD, CLONE_PARENT, CLONE_IO})
        CHECK(answer(SYS_clone, {libc | extra}) == errno_of(EPERM));
    CHECK(answer(SYS_clone, {SIGCHLD}) == errno_of(EPERM));
    CHECK(answer(SYS_clone, {libc & ~std::uint64_t{CLONE_THREAD}}) == errno_of(EPERM));
}

TEST_CASE("exec is for one descriptor, by descriptor", "[jail]") {
    CHECK(answer(SYS_execveat, {exec_fd, 0, 0, 0, AT_EMPTY_PATH}) == allowed);
    CHECK(answer(SYS_execveat, {exec_fd - 1, 0, 0, 0, AT_EMPTY_PATH}) == errno_of(EPERM));
    CHECK(answer(SYS_execveat, {exec_fd, 0, 0, 0, 0}) == errno_of(EPERM));
    CHECK(answer(SYS_execveat, {exec_fd, 0, 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}) == errno_of(EPERM));
    CHECK(answer(SYS_execveat, {static_cast<std::uint32_t>(AT_FDCWD), 0, 0, 0, AT_EMPTY_PATH}) ==
          errno_of(EPERM));
}

TEST_CASE("sockets are Unix sockets; a high bit hides nothing", "[jail]") {
    CHECK(answer(SYS_socket, {AF_UNIX, SOCK_STREAM}) == allowed);
    CHECK(answer(SYS_socketpair, {AF_UNIX, SOCK_STREAM}) == allowed);
    for (const std::uint64_t family : Words{AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG}) {
        CHECK(answer(SYS_socket, {family}) == errno_of(EPERM));
        CHECK(answer(SYS_socket, {family | high_bit}) == errno_of(EPERM));
    }
    // The kernel looks at 32 bits only, so this is AF_UNIX for it and for us.
    CHECK(answer(SYS_socket, {AF_UNIX | high_bit}) == allowed);
}

TEST_CASE("with the host's network TCP, UDP and echo requests are allowed, no raw sockets", "[jail]") {
    const auto filter = qemu_filter(exec_fd, Violation::Errno, {.internet = true});
    const auto says = [&](long call, std::array<std::uint64_t, 6> arguments) {
        return answer_of(filter, call, arguments);
    };
    for (const std::uint64_t family : Words{AF_INET, AF_INET6}) {
        CHECK(says(SYS_socket, {family, SOCK_STREAM | SOCK_CLOEXEC, 0}) == allowed);
        CHECK(says(SYS_socket, {family, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP}) == allowed);
        for (const std::uint64_t type :
             Words{SOCK_RAW, SOCK_RAW | SOCK_CLOEXEC, SOCK_RDM, SOCK_SEQPACKET, SOCK_PACKET})
            CHECK(says(SYS_socket, {family, type, 0}) == errno_of(EPERM));
        for (const std::uint64_t protocol : Words{IPPROTO_SCTP, IPPROTO_MPTCP, IPPROTO_RAW})
            CHECK(says(SYS_socket, {family, SOCK_STREAM, protocol}) == errno_of(EPERM));
    }
    CHECK(says(SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}) == allowed);
    CHECK(says(SYS_socket, {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6}) == allowed);
    CHECK(says(SYS_setsockopt, {3, IPPROTO_IP, IP_TTL}) == allowed);
    CHECK(says(SYS_setsockopt, {3, IPPROTO_IP, IP_OPTIONS}) == errno_of(EPERM));
    CHECK(answer(SYS_setsockopt, {3, IPPROTO_IP, IP_TTL}) == errno_of(EPERM));
    for (const std::uint64_t family : Words{AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH})
        CHECK(says(SYS_socket, {family, SOCK_DGRAM, 0}) == errno_of(EPERM));
    CHECK(says(SYS_socket, {AF_UNIX, SOCK_STREAM, 0}) == allowed);
    // Connections to forwarded ports, and libraries of block drivers.
    for (const long call : {SYS_accept, SYS_pipe2, SYS_pselect6, SYS_sendmmsg})
        CHECK(says(call, {}) == allowed);
}

TEST_CASE("the requests of vfio are allowed to who has a device of the host's", "[jail]") {
    const auto filter = qemu_filter(exec_fd, Violation::Errno, {.vfio = true});
    // linux/vfio.h: VFIO_GET_API_VERSION, VFIO_DEVICE_SET_IRQS.
    for (const std::uint64_t request : {0x3b64, 0x3b6e}) {
        CHECK(answer_of(filter, SYS_ioctl, {0, request}) == SECCOMP_RET_ALLOW);
        CHECK(answer_of(qemu_filter(exec_fd), SYS_ioctl, {0, request}) == errno_of(EPERM));
    }
    CHECK(answer_of(filter, SYS_ioctl, {0, TIOCSTI}) == errno_of(EPERM));
}

TEST_CASE("the requests of USB devices are allowed to who has one", "[jail]") {
    const auto filter = qemu_filter(exec_fd, Violation::Errno, {.usb = true});
    const auto says = [](const Filter& of, std::uint64_t request) {
        return answer_of(of, SYS_ioctl, {0, request});
    };
    for (const std::uint64_t request : {std::uint64_t{USBDEVFS_SUBMITURB}, std::uint64_t{USBDEVFS_RESET}}) {
        CHECK(says(filter, request) == allowed);
        CHECK(says(qemu_filter(exec_fd), request) == errno_of(EPERM));
    }
    // Signals, and what is behind a hub.
    for (const std::uint64_t request :
         {std::uint64_t{USBDEVFS_DISCSIGNAL}, std::uint64_t{USBDEVFS_CLAIM_PORT}, std::uint64_t{TIOCSTI}})
        CHECK(says(filter, request) == errno_of(EPERM));
    constexpr std::uint64_t flags = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    CHECK(answer_of(filter, SYS_socket, {AF_NETLINK, flags, NETLINK_KOBJECT_UEVENT}) == allowed);
    CHECK(answer_of(filter, SYS_socket, {AF_NETLINK, flags, NETLINK_ROUTE}) == errno_of(EPERM));
    CHECK(answer_of(qemu_filter(exec_fd), SYS_socket, {AF_NETLINK, flags, NETLINK_KOBJECT_UEVENT}) ==
          errno_of(EPERM));
    const auto reduced = qemu_filter(exec_fd, Violation::Errno, {.mode = Mode::Reduced, .usb = true});
    CHECK(answer_of(reduced, SYS_bind) == allowed);
    CHECK(answer_of(reduced, SYS_connect) == errno_of(EACCES));
    CHECK(answer_of(reduced, SYS_socket, {AF_UNIX, SOCK_STREAM, 0}) == errno_of(EACCES));
}

TEST_CASE("a window connects to its session from a reduced jail", "[jail]") {
    const auto filter = qemu_filter(exec_fd, Violation::Errno, {.mode = Mode::Reduced, .window = true});
    CHECK(answer_of(filter, SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0}) == allowed);
    CHECK(answer_of(filter, SYS_socket, {AF_UNIX, SOCK_DGRAM, 0}) == errno_of(EPERM));
    CHECK(answer_of(filter, SYS_socket, {AF_INET, SOCK_STREAM, 0}) == errno_of(EPERM));
    CHECK(answer_of(filter, SYS_connect) == allowed);
    CHECK(answer_of(filter, SYS_bind) == errno_of(EACCES));
    CHECK(answer_of(filter, SYS_shmget) == errno_of(ENOSYS));
    // A strict jail has no window.
    CHECK(answer_of(qemu_filter(exec_fd, Violation::Errno, {.window = true}), SYS_shmget) == errno_of(EPERM));
}

TEST_CASE("io_uring is allowed to who asks for it", "[jail]") {
    const auto filter = qemu_filter(exec_fd, Violation::Errno, {.io_uring = true});
    for (const long call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
        CHECK(answer_of(filter, call) == allowed);
        CHECK(answer(call) == errno_of(ENOSYS));
    }
    CHECK(answer_of(filter, SYS_socket, {AF_INET, SOCK_STREAM, 0}) == errno_of(EPERM));
}

TEST_CASE("ioctl, fcntl and prctl do what is listed", "[jail]") {
    for (const std::uint64_t request :
         Words{BLKROGET, TCGETS, 0xae80, 0xaf00, 0x800454d2, 0x5326 /* CDROM_DRIVE_STATUS */})
        CHECK(answer(SYS_ioctl, {0, request}) == allowed);
    for (const std::uint64_t request :
         Words{TIOCSTI, TIOCSTI | high_bit, TIOCLINUX, FIONREAD, TIOCGPTPEER, TIOCSCTTY, TIOCCONS,
               0x400454ca /* TUNSETIFF */, 0x5309 /* CDROMEJECT */, 0x5460, 0x3b64})
        CHECK(answer(SYS_ioctl, {0, request}) == errno_of(EPERM));
    CHECK(answer(SYS_fcntl, {0, F_OFD_SETLK}) == allowed);
    for (const std::uint64_t command :
         Words{F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY, F_DUPFD, F_SETLK, F_SETPIPE_SZ})
        CHECK(answer(SYS_fcntl, {0, command}) == errno_of(EPERM));
    CHECK(answer(SYS_prctl, {PR_SET_NAME}) == allowed);
    for (const std::uint64_t option :
         Words{PR_SET_DUMPABLE, PR_SET_SECUREBITS, PR_SET_MM, PR_SET_PTRACER, PR_SET_SECCOMP, PR_SET_VMA})
        CHECK(answer(SYS_prctl, {option}) == errno_of(EPERM));
    CHECK(answer(SYS_tgkill, {process_pid_inside, 5, SIGUSR1}) == allowed);
    CHECK(answer(SYS_tgkill, {1, 1, SIGKILL}) == errno_of(EPERM));
}
#endif

TEST_CASE("the filter for any command refuses what reaches beyond a jail") {
    const auto filter = command_filter();
    const auto says = [&](long call, std::array<std::uint64_t, 6> arguments = {}) {
        return answer_of(filter, call, arguments);
    };
    for (const long call :
         {SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_unshare, SYS_setns,
          SYS_ptrace, SYS_process_vm_readv, SYS_bpf, SYS_keyctl, SYS_init_module, SYS_kexec_load,
          SYS_userfaultfd, SYS_perf_event_open, SYS_open_by_handle_at, SYS_pidfd_getfd, SYS_reboot}) {
        INFO(call);
        CHECK(says(call) == errno_of(EPERM));
    }
    CHECK(says(SYS_clone3) == errno_of(ENOSYS));
    CHECK(says(SYS_io_uring_setup) == errno_of(ENOSYS));
    for (const long call : {SYS_execve, SYS_fork, SYS_kill, SYS_openat, SYS_rename, SYS_wait4})
        CHECK(says(call) == allowed);

    CHECK(says(SYS_clone, {SIGCHLD}) == allowed);
    CHECK(says(SYS_clone, {CLONE_NEWUSER | SIGCHLD}) == errno_of(EPERM));
    CHECK(says(SYS_clone, {high_bit | CLONE_NEWNS | SIGCHLD}) == errno_of(EPERM));
    CHECK(says(SYS_ioctl, {0, TIOCGWINSZ}) == allowed);
    CHECK(says(SYS_ioctl, {0, TIOCSTI}) == errno_of(EPERM));
    CHECK(says(SYS_ioctl, {0, high_bit | TIOCSTI}) == errno_of(EPERM));

    for (const std::uint64_t family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
        CHECK(says(SYS_socket, {family}) == allowed);
        CHECK(says(SYS_socket, {high_bit | family}) == allowed);  // the kernel looks at 32 bits, too
    }
    for (const std::uint64_t family : {AF_UNSPEC, AF_PACKET, AF_ALG, AF_VSOCK, AF_XDP, 100, 1 << 20})
        CHECK(says(SYS_socket, {family}) == errno_of(EAFNOSUPPORT));

    CHECK(says(SYS_personality, {0}) == allowed);
    CHECK(says(SYS_personality, {0xffffffff}) == allowed);
    for (const std::uint64_t persona : {0x0040000U, 0x0400000U, 0x80000000U, 0x80040000U, 8U, 1U})
        CHECK(says(SYS_personality, {persona}) == errno_of(EPERM));
}

TEST_CASE("swtpm may do what QEMU may, and keep files") {
    const auto says = [](long call, std::array<std::uint64_t, 6> arguments = {}) {
        return answer_of(swtpm_filter(exec_fd), call, arguments);
    };
    for (const long call : {SYS_read, SYS_poll, SYS_openat, SYS_rename, SYS_renameat2, SYS_fchmod, SYS_mkdir})
        CHECK(says(call) == allowed);
    for (const long call : {SYS_chmod, SYS_chown, SYS_link, SYS_mknod, SYS_mount, SYS_kill, SYS_execve})
        CHECK(says(call) == errno_of(EPERM));
    CHECK(says(SYS_socket, {AF_INET}) == errno_of(EPERM));
    CHECK(says(SYS_execveat, {exec_fd, 0, 0, 0, AT_EMPTY_PATH}) == allowed);
}

TEST_CASE("in a reduced jail swtpm may keep files all the same") {
    const auto filter = swtpm_filter(exec_fd, Mode::Reduced);
    const auto says = [&](long call, std::array<std::uint64_t, 6> arguments = {}) {
        return answer_of(filter, call, arguments);
    };
    CHECK_FALSE(filter.own_pid.empty());
    for (const std::uint64_t flags : {O_RDWR, O_CREAT | O_TRUNC | O_WRONLY}) {
        CHECK(says(SYS_openat, {0, 0, flags}) == allowed);
        CHECK(says(SYS_open, {0, flags}) == allowed);
    }
    for (const long call : {SYS_unlink, SYS_rename, SYS_fchmod, SYS_recvmsg}) CHECK(says(call) == allowed);
    for (const long call : {SYS_connect, SYS_bind}) CHECK(says(call) == errno_of(EACCES));
    CHECK(says(SYS_socket, {AF_UNIX, SOCK_STREAM}) == errno_of(EACCES));
    for (const long call : {SYS_chmod, SYS_chown, SYS_link, SYS_symlink, SYS_mknod, SYS_kill, SYS_execve})
        CHECK(says(call) == errno_of(EPERM));
}

TEST_CASE("virtiofsd may change the files it serves, and nothing else") {
    const auto says = [](long call, std::array<std::uint64_t, 6> arguments = {}) {
        return answer_of(virtiofsd_filter(exec_fd), call, arguments);
    };
    for (const long call : {SYS_openat2, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_mkdirat, SYS_unlinkat,
                            SYS_fchmodat, SYS_fchownat, SYS_utimensat, SYS_fsetxattr, SYS_fallocate})
        CHECK(says(call) == allowed);
    for (const long call : {SYS_mount, SYS_chroot, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_kill,
                            SYS_ptrace, SYS_execve, SYS_setns, SYS_bpf})
        CHECK(says(call) == errno_of(EPERM));
    CHECK(says(SYS_unshare, {CLONE_FS}) == allowed);
    CHECK(says(SYS_unshare, {CLONE_NEWUSER}) == errno_of(EPERM));
    CHECK(says(SYS_unshare, {CLONE_FS | CLONE_NEWNS}) == errno_of(EPERM));
    CHECK(says(SYS_prctl, {PR_CAPBSET_DROP}) == allowed);
    CHECK(says(SYS_prctl, {PR_SET_SECCOMP}) == errno_of(EPERM));
}

TEST_CASE("what a filter says of itself is what it does") {
    for (const auto& rule : command_filter_rules()) {
        INFO(rule.call);
        CHECK(rule.error != 0);
        CHECK_FALSE(rule.reason.empty());
    }
    const std::vector<std::string> kinds = {"libc", "kvm", "device", "error", "build"};
    bool exec = false;
    for (const auto& rule : qemu_filter_rules(
             exec_fd, {.internet = true, .io_uring = true, .vfio = true, .usb = true, .window = true})) {
        INFO(rule.call);
        CHECK_FALSE(rule.reason.empty());
        if (!rule.unseen.empty()) {
            const auto colon = rule.unseen.find(": ");
            CHECK(std::ranges::find(kinds, rule.unseen.substr(0, colon)) != kinds.end());
            CHECK(colon != std::string::npos);
        }
        if (rule.call == "execveat") {
            exec = true;
            CHECK(rule.tests.at(0).value == exec_fd);
        }
    }
    CHECK(exec);
}

#ifdef __x86_64__
TEST_CASE("a filter does not list what this architecture lacks") {
    for (const auto& rule : qemu_filter_rules(exec_fd)) {
        CHECK(rule.call != "mmap2");
        CHECK(rule.call != "_llseek");
    }
}
#endif
