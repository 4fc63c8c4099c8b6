// SPDX-License-Identifier: GPL-3.0-or-later
// The process itself, from the fork to exec.
#include <cstring>
#include <linux/close_range.h>
#include <sys/prctl.h>

#include "jail/child.hpp"
#include "jail/path_rules.hpp"
#include "jail/sys.hpp"

namespace qvm::jail {

namespace {

/// Whoever kills the stub means the process, too. A pid namespace sees to that; without one, the kernel is
/// asked to.
int tie_to_stub(const Order& order, pid_t stub) {
    if (order.spec.mode != Mode::Off && order.spec.namespaces.pid) return 0;
    if (const int result = sys::prctl(PR_SET_PDEATHSIG, SIGKILL); result < 0) return -result;
    return ::getppid() == stub ? 0 : ESRCH;
}

/// The number that the program must be executed from, or -1.
int only_number(const Order& order) {
    return order.spec.mode != Mode::Off ? order.spec.filter.exec_fd : -1;
}

/// The kernel adds our process id, as the parent numbers it.
int announce(Order& order, int&) {
    const auto sent = sys::write(order.sync, "p", 1);
    return sent < 0 ? static_cast<int>(-sent) : 0;
}

/// Number `wanted` becomes a copy of `fd` that survives exec.
int place(int fd, int wanted) {
    return sys::dup3(fd, wanted, 0);
}

/// Everything is close-on-exec but what is put in its place here. All sources are first moved above all
/// places, so that no place taken destroys a source still needed.
int arrange_descriptors(Order& order, int& index) {
    const int only_one = only_number(order);
    if (only_one >= 0) {
        rlimit limit{};
        if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return errno;
        limit.rlim_cur = limit.rlim_max;
        if (const int result = sys::set_limit(RLIMIT_NOFILE, limit); result < 0) return -result;
    }
    if (const int result = sys::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); result < 0) return -result;

    int above = 3;
    for (const auto& kept : order.fds)
        if (kept.number >= above) above = kept.number + 1;
    for (std::size_t i = 0; i < order.moved.size(); ++i, ++index) {
        order.moved[i] = sys::duplicate_from(order.fds[i].fd, above);
        if (order.moved[i] < 0) return -order.moved[i];
    }
    for (int* fd : {&order.error_pipe, &order.null, &order.output, &order.executable}) {
        if (*fd < 0) continue;
        *fd = sys::duplicate_from(*fd, above);
        if (*fd < 0) return -*fd;
    }
    index = 0;
    for (std::size_t i = 0; i < order.moved.size(); ++i, ++index)
        if (const int result = place(order.moved[i], order.fds[i].number); result < 0) return -result;
    if (!order.spec.inherit_streams) {
        if (const int result = place(order.null, 0); result < 0) return -result;
        if (const int result = place(order.output, 1); result < 0) return -result;
        if (const int result = place(order.output, 2); result < 0) return -result;
    }
    if (only_one >= 0) {
        // Close-on-exec: the first exec takes the only number away that exec is allowed for, and the limit
        // set next makes that number unreachable for good.
        if (const int result = sys::dup3(order.executable, only_one, O_CLOEXEC); result < 0) return -result;
        order.executable = only_one;
    }
    return 0;
}

int set_limits(Order& order, int& index) {
    for (std::size_t i = 0; i < order.limits.size(); ++i, ++index)
        if (const int result = sys::set_limit(order.spec.limits[i].resource, order.limits[i]); result < 0)
            return -result;
    const int only_one = only_number(order);
    if (only_one < 0) return 0;
    index = -1;
    const rlimit limit{static_cast<rlim_t>(only_one), static_cast<rlim_t>(only_one)};
    return -sys::set_limit(RLIMIT_NOFILE, limit);
}

/// The parent blocked all signals around the clone, and what it ignores we inherited.
int reset_signals(Order&, int&) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal)
        ::sigaction(signal, &action, nullptr);  // not all can be set
    sigset_t none;
    ::sigemptyset(&none);
    return ::sigprocmask(SIG_SETMASK, &none, nullptr) < 0 ? errno : 0;
}

int restrict_by_landlock(Order& order, int& index) {
    const auto& spec = order.spec;
    if (spec.landlock == Landlock::Off) return 0;
    const int executable = order.executable;
    const int error = restrict_paths(order.path_rules, executable, landlock_scope(spec), index);
    const bool absent = error == ENOSYS || error == EOPNOTSUPP;
    return absent && spec.landlock == Landlock::Auto ? 0 : error;
}

int install_filter(Order& order, int&) {
    auto& program = order.filter;
    if (program.empty()) return 0;
    for (const auto instruction : order.spec.filter.own_pid) {
        const auto pid = static_cast<std::uint32_t>(::getpid());
        std::memcpy(&program[instruction * Filter::instruction_size + Filter::operand_offset], &pid,
                    sizeof pid);
    }
    return -sys::seccomp_install(program.data(), program.size(), order.spec.filter.log);
}

int execute(Order& order, int&) {
    if (order.executable < 0)
        return -sys::execve(order.spec.executable.c_str(), order.argv.data(), order.env.data());
    return -sys::execveat(order.executable, order.argv.data(), order.env.data());
}

constexpr Step steps_in_jail[] = {
    {Stage::Announce, announce},
    {Stage::Descriptors, arrange_descriptors},
    // After the descriptors, some of which lie above the limit.
    {Stage::Limits, set_limits},
    {Stage::Signals, reset_signals},
    // While files can still be opened and the filter does not hinder it.
    {Stage::Landlock, restrict_by_landlock},
    // Last but one: it forbids nearly everything done above.
    {Stage::Filter, install_filter},
    {Stage::Execute, execute},
};

constexpr Step bare_steps[] = {
    {Stage::Announce, announce},
    {Stage::Descriptors, arrange_descriptors},
    {Stage::Signals, reset_signals},
    {Stage::Execute, execute},
};

}  // namespace

void run_process(Order& order, pid_t stub) {
    if (const int error = tie_to_stub(order, stub); error != 0) fail(order, Stage::DeathSignal, 0, error);
    if (order.spec.mode != Mode::Off)
        run_steps(order, steps_in_jail, sizeof steps_in_jail / sizeof *steps_in_jail);
    else
        run_steps(order, bare_steps, sizeof bare_steps / sizeof *bare_steps);
    fail(order, Stage::Execute, 0, ENOEXEC);
}

}  // namespace qvm::jail
