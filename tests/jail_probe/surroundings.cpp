// SPDX-License-Identifier: GPL-3.0-or-later
// What was left around us by whoever started us.
#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

Result environment() {
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
        const std::string_view text = *variable;
        if (!text.starts_with("PATH=") && !text.starts_with("HOME=") && !text.starts_with("LC_ALL="))
            return escaped(std::string(text.substr(0, text.find('='))));
    }
    return contained("PATH, HOME and LC_ALL");
}
Result host_name() {
    if (world.host_name.empty()) return cannot_try("--host-name");
    utsname names{};
    ::uname(&names);
    return world.host_name == names.nodename ? escaped(names.nodename) : contained(names.nodename);
}
Result session() {
    const pid_t session = ::getsid(0);
    if (session < 0) return contained(errno_name(errno));
    if (session > 1) return escaped("that of process " + std::to_string(session));
    return contained("that of process " + std::to_string(session));
}
Result new_session() {
    return unless_passed(::setsid());
}
Result process_group() {
    return unless_passed(::setpgid(0, 0));
}
Result parent() {
    return ::getppid() == 1 ? contained("the stub") : escaped("process " + std::to_string(::getppid()));
}
Result file_mode_mask() {
    const auto mask = ::umask(077);
    ::umask(mask);
    return (mask & 077U) == 077 ? contained("077") : escaped("lets others in");
}
Result standard_input() {
    struct stat null {};
    struct stat input {};
    if (::fstat(STDIN_FILENO, &input) != 0) return contained("none");
    const bool same =
        ::stat("/dev/null", &null) == 0 && S_ISCHR(input.st_mode) && input.st_rdev == null.st_rdev;
    return same ? contained("/dev/null") : escaped("something else");
}
Result working_directory() {
    std::array<char, 4096> path{};
    if (::getcwd(path.data(), path.size()) == nullptr) return contained(errno_name(errno));
    return std::string_view(path.data()) == "/" ? contained("/") : escaped(path.data());
}
Result own_uid() {
    return ::getuid() == 0 || ::geteuid() == 0 || ::getgid() == 0 ? escaped("root")
                                                                  : contained(std::to_string(::getuid()));
}
/// The path of the program as its starter named it.
Result path_of_program() {
    std::array<char, 4096> path{};
    if (::readlink("/proc/self/exe", path.data(), path.size() - 1) > 0) return escaped(path.data());
    return contained(errno_name(errno));
}
Result blocked_signals() {
    sigset_t blocked;
    ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
    for (int signal = 1; signal < SIGRTMIN; ++signal)
        if (::sigismember(&blocked, signal) == 1) return escaped("SIG" + std::string(::sigabbrev_np(signal)));
    return contained("none");
}
Result dump_core() {
    return unless_done(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

constexpr Attempt attempts[] = {
    {"environment", environment},
    {"host_name", host_name},
    {"session", session},
    {"new_session", new_session},
    {"process_group", process_group},
    {"parent", parent},
    {"file_mode_mask", file_mode_mask},
    {"standard_input", standard_input},
    {"working_directory", working_directory},
    {"own_uid", own_uid},
    {"path_of_program", path_of_program},
    {"blocked_signals", blocked_signals},
    {"dump_core", dump_core},
};

}  // namespace

Class surroundings() {
    return {"surroundings", attempts};
}

}  // namespace qvm::probe
