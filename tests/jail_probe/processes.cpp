// SPDX-License-Identifier: GPL-3.0-or-later
// Other processes: none can be seen, signalled, traced or limited. Our parent is the stub; it has our uid.
#include <array>
#include <cctype>
#include <csignal>
#include <dirent.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

const pid_t& stub = world.stub;
// Missing in older headers.
constexpr long number_of_kcmp = 312;
constexpr long number_of_process_madvise = 440;
constexpr long number_of_process_mrelease = 448;

Result pid_namespace() {
    constexpr pid_t process_pid_inside = 2;
    if (::getpid() == process_pid_inside) return contained("pid 2");
    return escaped("pid " + std::to_string(::getpid()));
}

Result proc_listing() {
    DIR* directory = ::opendir("/proc");
    if (directory == nullptr) return contained(errno_name(errno));
    std::string found;
    while (const dirent* entry = ::readdir(directory))
        if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) != 0) found = entry->d_name;
    ::closedir(directory);
    return found.empty() ? contained("none") : escaped("process " + found);
}

Result signal_outsider() {
    if (world.outsider < 0) return cannot_try("--outsider");
    return unless_done(::kill(world.outsider, 0));
}
Result signal_stub() {
    return unless_done(::kill(stub, 0));
}
Result signal_everyone() {
    return unless_done(::kill(-1, 0));
}
Result signal_group() {
    return unless_done(::kill(0, 0));
}
Result queue_signal() {
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    for (const pid_t pid : {stub, world.outsider})
        if (::syscall(SYS_rt_sigqueueinfo, pid, 0, &info) == 0) return escaped(std::to_string(pid));
    return contained(errno_name(errno));
}
Result queue_signal_to_thread() {
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    for (const pid_t pid : {stub, world.outsider})
        if (::syscall(SYS_rt_tgsigqueueinfo, pid, pid, 0, &info) == 0) return escaped(std::to_string(pid));
    return contained(errno_name(errno));
}
Result thread_kill() {
    for (const pid_t pid : {stub, world.outsider})
        if (::syscall(SYS_tkill, pid, 0) == 0) return escaped(std::to_string(pid));
    return contained(errno_name(errno));
}
Result pidfd_of_outsider() {
    if (world.outsider < 0) return cannot_try("--outsider");
    return unless_done(::syscall(SYS_pidfd_open, world.outsider, 0));
}
Result pidfd_of_stub() {
    return unless_done(::syscall(SYS_pidfd_open, stub, 0));
}
Result pidfd_of_ourselves() {
    return unless_done(::syscall(SYS_pidfd_open, ::getpid(), 0));
}

/// Seizing does not stop it, and ends with us.
Result trace_outsider() {
    if (world.outsider < 0) return cannot_try("--outsider");
    return unless_done(::ptrace(PTRACE_SEIZE, world.outsider, nullptr, nullptr));
}
Result trace_stub() {
    return unless_done(::ptrace(PTRACE_SEIZE, stub, nullptr, nullptr));
}
Result be_traced() {
    return unless_done(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
}

char memory[16] = "a secret";
Result read_memory() {
    char copy[sizeof memory];
    const iovec to{copy, sizeof copy};
    const iovec from{memory, sizeof memory};
    for (const pid_t pid : {::getpid(), stub, world.outsider})
        if (::process_vm_readv(pid, &to, 1, &from, 1, 0) >= 0) return escaped(std::to_string(pid));
    return contained(errno_name(errno));
}
Result write_memory() {
    char copy[sizeof memory] = "a secret";
    const iovec from{copy, sizeof copy};
    const iovec to{memory, sizeof memory};
    for (const pid_t pid : {::getpid(), stub})
        if (::process_vm_writev(pid, &from, 1, &to, 1, 0) >= 0) return escaped(std::to_string(pid));
    return contained(errno_name(errno));
}
Result compare_processes() {
    constexpr int files = 2;  // KCMP_FILES
    return unless_done(::syscall(number_of_kcmp, ::getpid(), ::getpid(), files, 0, 0));
}
Result advise_or_release() {
    if (!was_filtered(::syscall(number_of_process_madvise, -1, nullptr, 0, 0, 0)))
        return escaped("process_madvise");
    return unless_passed(::syscall(number_of_process_mrelease, -1, 0));
}
Result move_memory() {
    if (!was_filtered(::syscall(SYS_migrate_pages, stub, 0, nullptr, nullptr)))
        return escaped("migrate_pages");
    return unless_passed(::syscall(SYS_move_pages, stub, 0, nullptr, nullptr, nullptr, 0));
}

/// With the limits it already has, so that nothing changes where it is allowed.
Result limits_of(pid_t pid) {
    rlimit limit{};
    if (::prlimit(pid, RLIMIT_CORE, nullptr, &limit) != 0) return contained(errno_name(errno));
    return ::prlimit(pid, RLIMIT_CORE, &limit, nullptr) == 0 ? escaped("set") : escaped("read");
}
Result limits_of_outsider() {
    if (world.outsider < 0) return cannot_try("--outsider");
    return limits_of(world.outsider);
}
/// With RLIMIT_FSIZE at zero the stub would write neither the log nor how we ended.
Result limits_of_stub() {
    return limits_of(stub);
}
Result cpus_of(pid_t pid) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (::sched_getaffinity(pid, sizeof cpus, &cpus) != 0) return contained(errno_name(errno));
    return unless_done(::sched_setaffinity(pid, sizeof cpus, &cpus));
}
Result cpus_of_outsider() {
    if (world.outsider < 0) return cannot_try("--outsider");
    return cpus_of(world.outsider);
}
Result cpus_of_stub() {
    return cpus_of(stub);
}
Result priority_of_others() {
    for (const pid_t pid : {stub, world.outsider})
        if (::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), 19) == 0) return escaped(std::to_string(pid));
    return contained(errno_name(errno));
}
Result priority_of_the_user() {
    errno = 0;
    const int now = ::getpriority(PRIO_USER, 0);
    return unless_done(::setpriority(PRIO_USER, 0, now));
}
Result io_priority() {
    constexpr int of_process = 1;             // IOPRIO_WHO_PROCESS
    constexpr int best_effort = 2 << 13 | 7;  // the lowest of IOPRIO_CLASS_BE
    return unless_done(::syscall(SYS_ioprio_set, of_process, 0, best_effort));
}
Result robust_list_of_stub() {
    void* head = nullptr;
    std::size_t length = 0;
    return unless_done(::syscall(SYS_get_robust_list, stub, &head, &length));
}
Result wait_for_others() {
    siginfo_t info{};
    return unless_passed(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
}

/// What abort(3) does must be allowed, or QEMU's end would be told wrong.
Result abort_itself() {
    std::signal(SIGABRT, SIG_DFL);
    ::raise(SIGABRT);
    return escaped("survived: " + errno_name(errno));
}

constexpr Attempt attempts[] = {
    {"abort_itself", abort_itself, Run::OnRequest},
    {"pid_namespace", pid_namespace},
    {"proc_listing", proc_listing},
    {"signal_outsider", signal_outsider},
    {"signal_stub", signal_stub},
    {"signal_everyone", signal_everyone},
    {"signal_group", signal_group},
    {"queue_signal", queue_signal},
    {"queue_signal_to_thread", queue_signal_to_thread},
    {"thread_kill", thread_kill},
    {"pidfd_of_outsider", pidfd_of_outsider},
    {"pidfd_of_stub", pidfd_of_stub},
    {"pidfd_of_ourselves", pidfd_of_ourselves},
    {"trace_outsider", trace_outsider},
    {"trace_stub", trace_stub},
    {"be_traced", be_traced},
    {"read_memory", read_memory},
    {"write_memory", write_memory},
    {"compare_processes", compare_processes},
    {"advise_or_release", advise_or_release},
    {"move_memory", move_memory},
    {"limits_of_outsider", limits_of_outsider},
    {"limits_of_stub", limits_of_stub},
    {"cpus_of_outsider", cpus_of_outsider},
    {"cpus_of_stub", cpus_of_stub},
    {"priority_of_others", priority_of_others},
    {"priority_of_the_user", priority_of_the_user},
    {"io_priority", io_priority},
    {"robust_list_of_stub", robust_list_of_stub},
    {"wait_for_others", wait_for_others},
};

}  // namespace

Class processes() {
    return {"processes", attempts};
}

}  // namespace qvm::probe
