// SPDX-License-Identifier: GPL-3.0-or-later
// The kernel's other doors: 32-bit calls (int 0x80) and x32 have numbers of their own, and a filter that only
// looks at numbers lets, say, their number 11 through (which is execve there and munmap here).
#include <cstdint>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

constexpr long x32_bit = 0x40000000;

/// The result of a 32-bit call: -1 and errno, as a C library would do it.
long call32(unsigned number, std::uint32_t first = 0, std::uint32_t second = 0, std::uint32_t third = 0) {
    long result = 0;
    asm volatile("int $0x80"
                 : "=a"(result)
                 : "0"(static_cast<unsigned long>(number)), "b"(static_cast<unsigned long>(first)),
                   "c"(static_cast<unsigned long>(second)), "d"(static_cast<unsigned long>(third))
                 : "memory", "r8", "r9", "r10", "r11");
    const auto value = static_cast<std::int32_t>(result);
    if (value >= 0) return value;
    errno = -value;
    return -1;
}

Result getpid32() {
    return unless_passed(call32(20));
}
Result fork32() {
    const long pid = call32(2);
    if (pid == 0) ::_exit(0);
    if (pid > 0) reap_children();
    return unless_passed(pid);
}
Result execve32() {
    return unless_passed(call32(11));
}
Result open32() {
    return unless_passed(call32(5));
}
/// SOCKOP_socket, its arguments where 32 bits can reach them.
Result socket32() {
    constexpr int af_inet = 2;
    constexpr int stream = 1;
    void* low = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) return cannot_try("low memory");
    auto* words = static_cast<std::uint32_t*>(low);
    words[0] = af_inet;
    words[1] = stream;
    return unless_passed(call32(102, 1, static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(low))));
}
Result ptrace32() {
    return unless_passed(call32(26));
}
Result unknown32() {
    return unless_passed(call32(0xffff));
}

/// Without x32 in the kernel these are unknown numbers.
Result getpid_x32() {
    return unless_passed(::syscall(x32_bit | SYS_getpid));
}
Result execve_x32() {
    return unless_passed(::syscall(x32_bit | 520, nullptr, nullptr, nullptr));
}
Result ptrace_x32() {
    return unless_passed(::syscall(x32_bit | 521, 0, 0, 0, 0));
}
Result ioctl_x32() {
    return unless_passed(::syscall(x32_bit | 514, -1, 0, 0));
}
/// Above all numbers; -1 is also what a tracer writes to have a call skipped.
Result greatest_number() {
    return unless_passed(::syscall(0x7fffffff, 0, 0, 0, 0));
}
Result negative_number() {
    return unless_passed(::syscall(-1, 0, 0, 0, 0));
}
/// The numbers of x32's own calls without its bit: the kernel once took them.
Result x32_numbers_alone() {
    for (long number = 512; number <= 547; ++number)
        if (!was_filtered(::syscall(number, -1, nullptr, 0, 0, 0))) return escaped(std::to_string(number));
    return contained(errno_name(errno));
}

constexpr Attempt attempts[] = {
    {"getpid32", getpid32, Run::MayKill},
    {"fork32", fork32, Run::MayKill},
    {"execve32", execve32, Run::MayKill},
    {"open32", open32, Run::MayKill},
    {"socket32", socket32, Run::MayKill},
    {"ptrace32", ptrace32, Run::MayKill},
    {"unknown32", unknown32, Run::MayKill},
    {"getpid_x32", getpid_x32, Run::MayKill},
    {"execve_x32", execve_x32, Run::MayKill},
    {"ptrace_x32", ptrace_x32, Run::MayKill},
    {"ioctl_x32", ioctl_x32, Run::MayKill},
    {"greatest_number", greatest_number, Run::MayKill},
    {"negative_number", negative_number, Run::MayKill},
    {"x32_numbers_alone", x32_numbers_alone},
};

}  // namespace

Class architectures() {
    return {"architectures", attempts};
}

}  // namespace qvm::probe
