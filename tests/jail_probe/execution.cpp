// SPDX-License-Identifier: GPL-3.0-or-later
// A second process or another program: threads are all there may be.
#include <array>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "probe.hpp"

namespace qvm::probe {

namespace {

constexpr long number_of_clone3 = 435;
constexpr long number_of_fork = 57;
constexpr long number_of_vfork = 58;

char argument[] = "jail-probe";
char* const arguments[] = {argument, nullptr};
char* const environment[] = {nullptr};

Result fork_process() {
    const long pid = ::syscall(number_of_fork);
    if (pid == 0) ::_exit(0);
    const int error = errno;
    if (pid > 0) reap_children();
    errno = error;
    return unless_done(pid);
}

/// With the instruction itself: the child must not return into the C library on the stack we share.
Result vfork_process() {
    long pid = number_of_vfork;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "mov $60, %%eax\n\t"
        "xor %%edi, %%edi\n\t"
        "syscall\n"
        "1:"
        : "+a"(pid)
        :
        : "rdi", "rcx", "r11", "memory");
    if (pid < 0) return contained(errno_name(static_cast<int>(-pid)));
    reap_children();
    return escaped("done");
}

Result clone_forms(std::span<const Form> forms) {
    return none_passes(forms, [](unsigned long flags) {
        const long result = clone_and_exit(flags);
        const int error = errno;
        reap_children();
        errno = error;
        return result;
    });
}

Result clone_processes() {
    static constexpr Form forms[] = {
        {"nothing", 0},
        {"SIGCHLD", SIGCHLD},
        {"VM", CLONE_VM | SIGCHLD},
        {"VFORK", CLONE_VFORK | SIGCHLD},
        {"VM,VFORK", CLONE_VM | CLONE_VFORK | SIGCHLD},
        {"FILES", CLONE_FILES | SIGCHLD},
        {"FS", CLONE_FS | SIGCHLD},
        {"VM,SIGHAND", CLONE_VM | CLONE_SIGHAND | SIGCHLD},
        {"VM,FS,FILES,SIGHAND,SYSVSEM", CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM},
        {"PARENT", CLONE_PARENT | SIGCHLD},
        {"PTRACE", CLONE_PTRACE | SIGCHLD},
        {"UNTRACED", CLONE_UNTRACED | SIGCHLD},
        {"IO", CLONE_IO | SIGCHLD},
        {"PIDFD", CLONE_PIDFD | SIGCHLD},
    };
    return clone_forms(forms);
}

constexpr unsigned long thread =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

/// Less than a thread shares, so that one could have a root or descriptors of its own.
Result clone_incomplete_threads() {
    static constexpr Form forms[] = {
        {"without FS", thread & ~static_cast<unsigned long>(CLONE_FS)},
        {"without FILES", thread & ~static_cast<unsigned long>(CLONE_FILES)},
        {"without SYSVSEM", thread & ~static_cast<unsigned long>(CLONE_SYSVSEM)},
        {"without SIGHAND", thread & ~static_cast<unsigned long>(CLONE_SIGHAND)},
        {"without VM", thread & ~static_cast<unsigned long>(CLONE_VM)},
        {"without THREAD", thread & ~static_cast<unsigned long>(CLONE_THREAD)},
    };
    return clone_forms(forms);
}

Result clone_threads_with_more() {
    static constexpr Form forms[] = {
        {"VFORK", thread | CLONE_VFORK},     {"PTRACE", thread | CLONE_PTRACE},
        {"PARENT", thread | CLONE_PARENT},   {"UNTRACED", thread | CLONE_UNTRACED},
        {"IO", thread | CLONE_IO},           {"PIDFD", thread | CLONE_PIDFD},
        {"SIGCHLD", thread | SIGCHLD},       {"NEWNS", thread | CLONE_NEWNS},
        {"NEWUSER", thread | CLONE_NEWUSER}, {"NEWPID", thread | CLONE_NEWPID},
        {"NEWNET", thread | CLONE_NEWNET},   {"NEWTIME", thread | 0x80},
    };
    return clone_forms(forms);
}

/// What is allowed, in the half that the kernel does not look at.
Result clone_with_swapped_halves() {
    static constexpr Form forms[] = {
        {"SIGCHLD", thread << 32U | SIGCHLD},
        {"NEWUSER", thread << 32U | CLONE_NEWUSER | SIGCHLD},
        {"VM", thread << 32U | CLONE_VM | SIGCHLD},
    };
    return clone_forms(forms);
}

long clone3_and_exit(unsigned long flags, unsigned long size) {
    std::array<unsigned long, 11> options{};  // struct clone_args
    options[0] = flags;
    options[4] = SIGCHLD;
    const long pid = ::syscall(number_of_clone3, options.data(), size);
    if (pid == 0) ::_exit(0);
    const int error = errno;
    if (pid > 0) reap_children();
    errno = error;
    return pid;
}
Result clone3_process() {
    for (const unsigned long size : {64UL, 80UL, 88UL})
        if (const long result = clone3_and_exit(0, size); !was_filtered(result)) return unless_passed(result);
    return contained(errno_name(errno));
}
Result clone3_without_arguments() {
    return unless_passed(::syscall(number_of_clone3, nullptr, 0UL));
}
Result clone3_new_user() {
    return unless_passed(clone3_and_exit(CLONE_NEWUSER, 88));
}
Result clone3_into_cgroup() {
    constexpr unsigned long into_cgroup = 0x200000000UL;
    return unless_passed(clone3_and_exit(into_cgroup, 88));
}

/// Each returns only when it was refused.
Result exec_programs() {
    for (const char* path : {"/bin/true", "/usr/bin/true", "/bin/busybox", "/bin/sh"})
        ::execve(path, arguments, environment);
    return contained(errno_name(errno));
}
Result exec_itself() {
    char name[sizeof executed_again];
    std::memcpy(name, executed_again, sizeof name);
    char version[] = "--version";
    char* const words[] = {name, version, nullptr};
    ::execve("/proc/self/exe", words, environment);
    ::execve("/usr/bin/qemu-system-x86_64", words, environment);
    return contained(errno_name(errno));
}
/// What would execute anything for us: it lies in the jail for a dynamic QEMU.
Result exec_loader() {
    char verify[] = "--verify";
    char nothing[] = "/dev/null";
    char* const words[] = {argument, verify, nothing, nullptr};
    ::execve("/lib64/ld-linux-x86-64.so.2", words, environment);
    return contained(errno_name(errno));
}
Result exec_memory_file() {
    const int file = executable_in_memory();
    if (file < 0) return cannot_try("memfd_create");
    ::syscall(SYS_execveat, file, "", arguments, environment, AT_EMPTY_PATH);
    const int error = errno;
    ::close(file);
    return contained(errno_name(error));
}
Result exec_memory_file_by_path() {
    const int file = executable_in_memory();
    if (file < 0) return cannot_try("memfd_create");
    for (const char* directory : {"/proc/self/fd/", "/dev/fd/"})
        ::execve((directory + std::to_string(file)).c_str(), arguments, environment);
    const int error = errno;
    ::close(file);
    return contained(errno_name(error));
}
Result exec_descriptors() {
    for (const int fd : {world.disk, world.read_only_disk, world.listener, 0, 1, AT_FDCWD, -1}) {
        const long result = ::syscall(SYS_execveat, fd, "", arguments, environment, AT_EMPTY_PATH);
        if (!was_filtered(result)) return unless_passed(result);
    }
    return contained(errno_name(errno));
}
Result exec_in_directory() {
    const int root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::syscall(SYS_execveat, root, "bin/true", arguments, environment, 0);
    ::syscall(SYS_execveat, root, "usr/bin/true", arguments, environment, AT_EMPTY_PATH);
    const int error = errno;
    ::close(root);
    return contained(errno_name(error));
}

/// The number that our own start came from is the one the filter lets be executed: it must never be ours
/// again.
int executed_number() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 1 << 20 ? 1 << 20 : static_cast<int>(limit.rlim_cur);
}
Result exec_number_again() {
    const long result = ::syscall(SYS_execveat, executed_number(), "", arguments, environment, AT_EMPTY_PATH);
    return result == -1 ? contained(errno_name(errno)) : escaped("done");
}
Result take_executed_number() {
    const int number = executed_number();
    const int file = executable_in_memory();
    if (file < 0) return cannot_try("memfd_create");
    rlimit more{static_cast<rlim_t>(number) + 1, static_cast<rlim_t>(number) + 1};
    ::setrlimit(RLIMIT_NOFILE, &more);
    std::string how;
    if (::dup2(file, number) == number) how = "dup2";
    if (::dup3(file, number, O_CLOEXEC) == number) how = "dup3";
    if (::fcntl(file, F_DUPFD, number) == number) how = "F_DUPFD";
    if (::fcntl(file, F_DUPFD_CLOEXEC, number) == number) how = "F_DUPFD_CLOEXEC";
    const int error = errno;
    ::syscall(SYS_execveat, number, "", arguments, environment, AT_EMPTY_PATH);
    if (!how.empty()) ::close(number);
    ::close(file);
    return how.empty() ? contained(errno_name(error)) : escaped(how);
}
/// Until no descriptor is left, in case the limit is not what decides.
Result use_up_descriptors() {
    constexpr std::size_t enough = 5000;
    const int file = executable_in_memory();
    if (file < 0) return cannot_try("memfd_create");
    int last = file;
    std::vector<int> copies;
    while (copies.size() < enough && last >= 0) {
        copies.push_back(last);
        last = ::dup(file);
    }
    last = copies.back();
    const int number = executed_number();
    for (const int copy : copies) ::close(copy);
    return last < number ? contained("up to " + std::to_string(last)) : escaped(std::to_string(last));
}
/// The low halves of both arguments as allowed, but nothing is there; then with wrong flags.
Result exec_number_with_high_bits() {
    const unsigned long number = static_cast<unsigned long>(executed_number());
    for (const unsigned long fd : {number | 1UL << 32U, number | 0xffffffffUL << 32U})
        ::syscall(SYS_execveat, fd, "", arguments, environment, AT_EMPTY_PATH | 1UL << 32U);
    if (!was_filtered(::syscall(SYS_execveat, number, "/bin/true", arguments, environment, 0)))
        return unless_passed(-1);
    constexpr int more_flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
    return unless_passed(::syscall(SYS_execveat, number, "", arguments, environment, more_flags));
}
/// With an absolute path the kernel does not look at the descriptor, which is all that a filter can see.
Result exec_path_with_number() {
    const int number = executed_number();
    for (const char* path : {"/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2", "/bin/true",
                             "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"})
        ::syscall(SYS_execveat, number, path, arguments, environment, AT_EMPTY_PATH);
    return contained(errno_name(errno));
}

constexpr Attempt attempts[] = {
    {"fork_process", fork_process},
    {"vfork_process", vfork_process},
    {"clone_processes", clone_processes},
    {"clone_incomplete_threads", clone_incomplete_threads},
    {"clone_threads_with_more", clone_threads_with_more},
    {"clone_with_swapped_halves", clone_with_swapped_halves},
    {"clone3_process", clone3_process},
    {"clone3_without_arguments", clone3_without_arguments},
    {"clone3_new_user", clone3_new_user},
    {"clone3_into_cgroup", clone3_into_cgroup},
    {"exec_programs", exec_programs},
    {"exec_itself", exec_itself},
    {"exec_loader", exec_loader},
    {"exec_memory_file", exec_memory_file},
    {"exec_memory_file_by_path", exec_memory_file_by_path},
    {"exec_descriptors", exec_descriptors},
    {"exec_in_directory", exec_in_directory},
    {"exec_number_again", exec_number_again},
    {"take_executed_number", take_executed_number},
    {"use_up_descriptors", use_up_descriptors},
    {"exec_number_with_high_bits", exec_number_with_high_bits},
    {"exec_path_with_number", exec_path_with_number},
};

}  // namespace

Class execution() {
    return {"execution", attempts};
}

}  // namespace qvm::probe
