// SPDX-License-Identifier: GPL-3.0-or-later
// A program that is executed in QEMU's place and tries to get out. Every attempt is one function; it undoes
// what it does, so that it can also be run by an ordinary user without any jail, to see that it tries
// something.
#pragma once
#include <cerrno>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace qvm::probe {

struct Result {
    bool contained = false;
    std::string detail;  ///< an errno value's name, or what was reached
};

enum class Run {
    Always,
    MayKill,   ///< the filter may answer by killing the whole process: each in a jail of its own
    OnRequest  ///< takes as much as it can get, or ends the probe
};

struct Attempt {
    const char* name;
    Result (*function)();
    Run run = Run::Always;
};

struct Class {
    const char* name;
    std::span<const Attempt> attempts;
};

/// What lies outside and was made for this run by the one who starts us, and the descriptors we were given.
struct World {
    pid_t stub = 1;               ///< the jail's first process, as we see it
    pid_t outsider = -1;          ///< a process with our uid, as the host numbers it
    std::string file;             ///< a file that our uid owns
    std::string socket;           ///< a listening socket that our uid may connect to
    std::string abstract_socket;  ///< the same without a file, its name without the leading null byte
    unsigned short port = 0;      ///< listening on 127.0.0.1
    std::string host_name;
    int disk = -1;            ///< O_RDWR
    int read_only_disk = -1;  ///< O_RDONLY, of a file that our uid owns
    int listener = -1;        ///< a listening Unix socket
    bool kvm = false;         ///< /dev/kvm is meant to be there
};
extern World world;

Class files();
Class descriptors();
Class processes();
Class execution();
Class namespaces();
Class network();
Class kernel();
Class privileges();
Class surroundings();
Class arguments();
Class architectures();
Class stress();
std::vector<Class> classes();

/// "EPERM"
std::string errno_name(int error);
Result escaped(std::string how);
Result contained(std::string why);
/// For calls that do harm only when they succeed.
Result unless_done(long result);
/// For calls that must not even reach the kernel: whatever it would answer, only the filter says EPERM or
/// ENOSYS.
bool was_filtered(long result);
Result unless_passed(long result);
/// For an attempt that lacks what it needs: nothing was shown, so it fails.
Result cannot_try(const std::string& what);

/// One of several forms of a call; only its low 32 bits count for the kernel.
struct Form {
    const char* name;
    unsigned long value;
};

/// Tries each form as it is and with high bits set, which a filter that compares 64 bits would take for
/// another value. Tells which were not filtered.
template <typename Call>
Result none_passes(std::span<const Form> forms, Call call) {
    std::string passed;
    constexpr unsigned long high_bits[] = {0, 1UL << 32U, 0xffffffffUL << 32U};
    for (const auto& form : forms) {
        for (const auto high : high_bits) {
            const long result = call(form.value | high);
            if (was_filtered(result)) continue;
            passed += passed.empty() ? "" : " ";
            passed += form.name;
            if (high != 0) passed += "|high";
            passed += result == -1 ? '(' + errno_name(errno) + ')' : "(done)";
        }
    }
    return passed.empty() ? contained("EPERM") : escaped("passed: " + passed);
}

/// Our own argv[0] when an attempt has executed us: then we end at once with exit status 77.
inline constexpr char executed_again[] = "jail-probe-again";
/// A file without a name that executes to exit status 77; -1 on failure.
int executable_in_memory();
/// clone(2) with these flags, no stack and no pointers; what it makes exits at once, touching nothing.
long clone_and_exit(unsigned long flags);
/// Waits for all that clone_and_exit() made.
void reap_children();

}  // namespace qvm::probe
