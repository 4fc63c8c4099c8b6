// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of the kernel that a virtual machine has no business with.
#include <array>
#include <ctime>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/reboot.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

// Missing in older headers.
constexpr long first_unknown_number = 449;  ///< futex_waitv; the filter knows no call above
constexpr long number_of_memfd_secret = 447;
constexpr long number_of_landlock_create_ruleset = 444;
constexpr long number_of_io_uring_setup = 425;
constexpr long number_of_io_uring_enter = 426;
constexpr long number_of_io_uring_register = 427;

/// What a call made for us is closed again; errno is kept.
Result opened(long descriptor) {
    if (descriptor < 0) return contained(errno_name(errno));
    ::close(static_cast<int>(descriptor));
    return escaped("done");
}

Result key_control() {
    return unless_done(::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}
Result add_key() {
    const long key = ::syscall(SYS_add_key, "user", "qvm-jail-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING);
    if (key > 0) ::syscall(SYS_keyctl, KEYCTL_REVOKE, key);
    return unless_done(key);
}
Result request_key() {
    const long key = ::syscall(SYS_request_key, "user", "qvm-jail-probe", nullptr, 0);
    return unless_passed(key);
}
Result bpf_map() {
    std::array<unsigned, 32> attributes{2, 4, 4, 1};  // BPF_MAP_TYPE_ARRAY
    return opened(::syscall(SYS_bpf, 0, attributes.data(), sizeof attributes));
}
Result bpf_program() {
    std::array<unsigned, 32> attributes{1};  // BPF_PROG_TYPE_SOCKET_FILTER, without instructions
    return unless_passed(::syscall(SYS_bpf, 5, attributes.data(), sizeof attributes));
}
Result user_faults() {
    constexpr int user_mode_only = 1;
    return opened(::syscall(SYS_userfaultfd, O_CLOEXEC | user_mode_only));
}
Result perf_events() {
    std::array<unsigned long, 16> attributes{};
    attributes[0] = 1 | 128UL << 32U;  // PERF_TYPE_SOFTWARE, size
    return opened(::syscall(SYS_perf_event_open, attributes.data(), 0, -1, -1, 0));
}
Result io_uring() {
    std::array<unsigned, 30> parameters{};
    return opened(::syscall(number_of_io_uring_setup, 4, parameters.data()));
}
Result io_uring_enter() {
    return unless_passed(::syscall(number_of_io_uring_enter, -1, 0, 0, 0, nullptr, 0));
}
Result io_uring_register() {
    return unless_passed(::syscall(number_of_io_uring_register, -1, 0, nullptr, 0));
}

Result load_kernel() {
    return unless_done(::syscall(SYS_kexec_load, 0, 0, nullptr, 0));
}
Result load_kernel_file() {
    return unless_done(::syscall(SYS_kexec_file_load, -1, -1, 0, "", 0));
}
Result load_module() {
    return unless_done(::syscall(SYS_init_module, "", 0, ""));
}
Result load_module_file() {
    return unless_done(::syscall(SYS_finit_module, world.disk, "", 0));
}
Result unload_module() {
    return unless_done(::syscall(SYS_delete_module, "qvm_jail_probe", O_NONBLOCK));
}
/// Wrong magic numbers: with the right to reboot it would be EINVAL.
Result restart_machine() {
    return unless_passed(::syscall(SYS_reboot, 0, 0, LINUX_REBOOT_CMD_CAD_OFF, nullptr));
}
Result swap() {
    if (!was_filtered(::syscall(SYS_swapon, "/qvm-jail-probe", 0))) return escaped("swapon");
    return unless_passed(::syscall(SYS_swapoff, "/qvm-jail-probe"));
}
Result set_clock() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return unless_done(::clock_settime(CLOCK_REALTIME, &now));
}
Result set_time_of_day() {
    timeval now{};
    ::gettimeofday(&now, nullptr);
    return unless_done(::settimeofday(&now, nullptr));
}
Result read_clock_discipline() {
    timex question{};
    return unless_done(::adjtimex(&question));
}
Result port_permissions() {
    if (::syscall(SYS_ioperm, 0x80, 1, 1) == 0) return escaped("ioperm");
    return unless_done(::syscall(SYS_iopl, 3));
}
Result kernel_log() {
    constexpr int size_of_buffer = 10;
    constexpr int read_all = 3;
    char text[64];
    if (::klogctl(read_all, text, sizeof text) >= 0) return escaped("read");
    return unless_done(::klogctl(size_of_buffer, nullptr, 0));
}
Result watch_files() {
    return opened(::syscall(SYS_inotify_init1, O_CLOEXEC));
}
Result watch_all_files() {
    constexpr unsigned report_ids = 0x200;  // FAN_REPORT_FID: for everybody since Linux 5.13
    return opened(::syscall(SYS_fanotify_init, report_ids, O_RDONLY));
}
Result change_personality() {
    const int now = ::personality(0xffffffff);
    if (now < 0) return contained(errno_name(errno));
    const int result = ::personality(static_cast<unsigned long>(now) | READ_IMPLIES_EXEC);
    ::personality(static_cast<unsigned long>(now));
    return unless_done(result);
}

Result shared_memory() {
    const int id = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (id < 0) return contained(errno_name(errno));
    ::shmctl(id, IPC_RMID, nullptr);
    return escaped("done");
}
Result semaphores() {
    const int id = ::semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    if (id < 0) return contained(errno_name(errno));
    ::semctl(id, 0, IPC_RMID);
    return escaped("done");
}
Result message_queues() {
    const int id = ::msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (id < 0) return contained(errno_name(errno));
    ::msgctl(id, IPC_RMID, nullptr);
    return escaped("done");
}
Result posix_queue() {
    constexpr const char* name = "qvm-jail-probe";
    const long queue = ::syscall(SYS_mq_open, name, O_CREAT | O_RDWR | O_CLOEXEC, 0600, nullptr);
    if (queue >= 0) ::syscall(SYS_mq_unlink, name);
    return opened(queue);
}

Result process_accounting() {
    return unless_done(::syscall(SYS_acct, "/qvm-jail-probe"));
}
Result quotas() {
    constexpr int get_info = 0x800005;  // Q_GETINFO
    return unless_passed(::syscall(SYS_quotactl, get_info << 8, "/dev/null", 0, nullptr));
}
Result hang_up() {
    return unless_done(::syscall(SYS_vhangup));
}
Result local_descriptors() {
    std::array<unsigned long, 2> entry{};
    return unless_passed(::syscall(SYS_modify_ldt, 0, entry.data(), sizeof entry));
}
Result splice_pages() {
    int ends[2];
    // Where there are no pipes, sockets tell as well whether the call gets through to the kernel.
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0 &&
        ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return cannot_try("a pipe or a pair of sockets");
    char byte = 'x';
    const iovec data{&byte, 1};
    std::string passed;
    if (::vmsplice(ends[1], &data, 1, 0) >= 0) passed = "vmsplice";
    const int error = errno;
    if (!was_filtered(::splice(ends[0], nullptr, ends[1], nullptr, 1, SPLICE_F_NONBLOCK)))
        passed += " splice";
    if (!was_filtered(::tee(ends[0], ends[1], 1, SPLICE_F_NONBLOCK))) passed += " tee";
    ::close(ends[0]);
    ::close(ends[1]);
    return passed.empty() ? contained(errno_name(error)) : escaped(passed);
}
Result secret_memory() {
    return unless_passed(::syscall(number_of_memfd_secret, 0));
}
Result landlock() {
    constexpr unsigned ask_version = 1;
    return unless_done(::syscall(number_of_landlock_create_ruleset, nullptr, 0, ask_version));
}
Result protection_keys() {
    return unless_passed(::syscall(SYS_pkey_alloc, 0, 0));
}
Result remap_pages() {
    return unless_passed(::syscall(SYS_remap_file_pages, 0, 0, 0, 0, 0));
}
Result system_tables() {
    if (!was_filtered(::syscall(SYS_sysfs, 3))) return escaped("sysfs");
    std::array<unsigned char, 64> buffer{};
    return unless_passed(::syscall(SYS_ustat, 0, buffer.data()));
}
/// Whatever is invented after the filter was written is refused by it.
Result new_calls() {
    constexpr long beyond = 1024;
    for (long number = first_unknown_number; number < beyond; ++number)
        if (!was_filtered(::syscall(number, -1, nullptr, 0, 0, 0, 0)))
            return escaped("number " + std::to_string(number) + ": " + errno_name(errno));
    return contained(errno_name(errno));
}
/// Only 32 bits are the number.
Result absurd_numbers() {
    for (const long number : {0x3fffffffL, 1L << 32U | SYS_fork, 0xffffffffL << 32U | SYS_ptrace}) {
        const long result = ::syscall(number, 0, 0, 0, 0);
        if (result == 0 && number == (1L << 32U | SYS_fork)) ::_exit(0);
        if (!was_filtered(result)) return escaped("number " + std::to_string(number));
    }
    return contained(errno_name(errno));
}

constexpr Attempt attempts[] = {
    {"key_control", key_control},
    {"add_key", add_key},
    {"request_key", request_key},
    {"bpf_map", bpf_map},
    {"bpf_program", bpf_program},
    {"user_faults", user_faults},
    {"perf_events", perf_events},
    {"io_uring", io_uring},
    {"io_uring_enter", io_uring_enter},
    {"io_uring_register", io_uring_register},
    {"load_kernel", load_kernel},
    {"load_kernel_file", load_kernel_file},
    {"load_module", load_module},
    {"load_module_file", load_module_file},
    {"unload_module", unload_module},
    {"restart_machine", restart_machine},
    {"swap", swap},
    {"set_clock", set_clock},
    {"set_time_of_day", set_time_of_day},
    {"read_clock_discipline", read_clock_discipline},
    {"port_permissions", port_permissions},
    {"kernel_log", kernel_log},
    {"watch_files", watch_files},
    {"watch_all_files", watch_all_files},
    {"change_personality", change_personality},
    {"shared_memory", shared_memory},
    {"semaphores", semaphores},
    {"message_queues", message_queues},
    {"posix_queue", posix_queue},
    {"process_accounting", process_accounting},
    {"quotas", quotas},
    {"hang_up", hang_up},
    {"local_descriptors", local_descriptors},
    {"splice_pages", splice_pages},
    {"secret_memory", secret_memory},
    {"landlock", landlock},
    {"protection_keys", protection_keys},
    {"remap_pages", remap_pages},
    {"system_tables", system_tables},
    {"new_calls", new_calls},
    {"absurd_numbers", absurd_numbers},
};

}  // namespace

Class kernel() {
    return {"kernel", attempts};
}

}  // namespace qvm::probe
