// SPDX-License-Identifier: GPL-3.0-or-later
// Identity, capabilities and limits: none to be had, none to be raised.
#include <array>
#include <cstddef>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

struct Capabilities {
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
};

long set_capabilities(const Capabilities& capabilities) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    return ::syscall(SYS_capset, &header, capabilities.sets.data());
}

Result become_root() {
    if (::setuid(0) == 0) return escaped("setuid");
    if (::setreuid(0, 0) == 0) return escaped("setreuid");
    return unless_done(::setresuid(0, 0, 0));
}
Result become_group_root() {
    if (::setgid(0) == 0) return escaped("setgid");
    return unless_done(::setresgid(0, 0, 0));
}
/// To be whom we are already is allowed to everyone whom no filter hinders.
Result change_ids() {
    if (!was_filtered(::setresuid(::getuid(), ::getuid(), ::getuid()))) return escaped("setresuid");
    return unless_passed(::setresgid(::getgid(), ::getgid(), ::getgid()));
}
Result file_system_ids() {
    const auto was = ::setfsuid(static_cast<uid_t>(-1));
    ::setfsuid(0);
    const auto now = ::setfsuid(static_cast<uid_t>(-1));
    return now == 0 && was != 0 ? escaped("done") : contained("as before");
}
Result set_groups() {
    const gid_t root = 0;
    return unless_done(::setgroups(1, &root));
}
Result groups_left() {
    std::array<gid_t, 64> groups{};
    const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
    for (int i = 0; i < count; ++i)
        if (const auto group = groups.at(static_cast<std::size_t>(i)); group == 0)
            return escaped("group " + std::to_string(group));
    return contained(std::to_string(count) + " groups, not root's");
}
Result capabilities_held() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    Capabilities held;
    if (::syscall(SYS_capget, &header, held.sets.data()) != 0) return cannot_try("capget");
    for (const auto& set : held.sets)
        if ((set.effective | set.permitted | set.inheritable) != 0) return escaped("some");
    return contained("none");
}
Result bounding_set() {
    for (int capability = 0; capability <= CAP_LAST_CAP; ++capability)
        if (::prctl(PR_CAPBSET_READ, capability) == 1) return escaped("has " + std::to_string(capability));
    return contained("empty");
}
Result take_capabilities() {
    Capabilities all;
    all.sets.fill({.effective = ~0U, .permitted = ~0U, .inheritable = ~0U});
    return unless_done(set_capabilities(all));
}
Result drop_capabilities() {
    return unless_passed(set_capabilities({}));
}
Result ambient_capability() {
    return unless_done(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
}
Result secure_bits() {
    return unless_done(::prctl(PR_SET_SECUREBITS, 0));
}
Result keep_capabilities() {
    return unless_done(::prctl(PR_SET_KEEPCAPS, 1));
}
Result no_new_privileges() {
    ::prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
    return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? contained("set") : escaped("not set");
}

Result install(sock_filter* instructions, unsigned short length, unsigned flags, int& descriptor) {
    const sock_fprog program{length, instructions};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (result < 0) return contained("no filter: " + errno_name(errno));
    descriptor = static_cast<int>(result);
    const long denied = ::syscall(SYS_setpriority, PRIO_PROCESS, 0, 19);
    return was_filtered(denied) ? contained("still EPERM") : escaped("the call was let through");
}
/// A filter that allows everything does not outvote one that does not.
Result filter_that_allows() {
    sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    int unused = 0;
    return install(all, 1, 0, unused);
}
/// A filter that lets a supervisor decide: the one that refuses is asked first.
Result filter_that_asks() {
    constexpr auto number = static_cast<unsigned>(offsetof(seccomp_data, nr));
    sock_filter ask[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    int listener = -1;
    auto result = install(ask, 4, SECCOMP_FILTER_FLAG_NEW_LISTENER, listener);
    if (listener > 0) ::close(listener);
    return result;
}
Result filter_that_traces() {
    constexpr auto number = static_cast<unsigned>(offsetof(seccomp_data, nr));
    sock_filter trace[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setpriority, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_LOG),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    int unused = 0;
    return install(trace, 4, 0, unused);
}
/// Calls that every process may make: only a filter refuses them.
Result filter_in_force() {
    errno = 0;
    const long result = ::syscall(SYS_setpgid, 0, 0);
    if (!was_filtered(result)) return escaped("setpgid");
    std::array<unsigned long, 16> buffer{};
    if (!was_filtered(::syscall(SYS_sched_getattr, 0, buffer.data(), sizeof buffer, 0)))
        return escaped("sched_getattr");
    return unless_passed(::syscall(SYS_sched_rr_get_interval, 0, buffer.data()));
}

Result real_time() {
    const sched_param parameter{.sched_priority = 1};
    if (::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0) return escaped("SCHED_FIFO");
    std::array<unsigned, 14> attributes{56, 6, 0, 0};  // struct sched_attr: SCHED_DEADLINE
    return unless_done(::syscall(SYS_sched_setattr, 0, attributes.data(), 0));
}
Result lower_nice() {
    return unless_done(::setpriority(PRIO_PROCESS, 0, -20));
}

Result limit_is(__rlimit_resource resource, rlim_t most, const char* name) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) return cannot_try("getrlimit");
    const auto text = limit.rlim_max == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_max);
    return Result{limit.rlim_max <= most, std::string(name) + ' ' + text};
}
Result limit_of_cores() {
    return limit_is(RLIMIT_CORE, 0, "RLIMIT_CORE");
}
Result limit_of_threads() {
    return limit_is(RLIMIT_NPROC, 1024, "RLIMIT_NPROC");
}
Result limit_of_descriptors() {
    return limit_is(RLIMIT_NOFILE, 4096, "RLIMIT_NOFILE");
}
Result limit_of_queues() {
    return limit_is(RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE");
}
Result limit_of_signals() {
    return limit_is(RLIMIT_SIGPENDING, 1024, "RLIMIT_SIGPENDING");
}
Result raise_limits() {
    for (const auto resource : {RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_RTPRIO}) {
        rlimit limit{};
        ::getrlimit(resource, &limit);
        if (limit.rlim_max == RLIM_INFINITY) continue;
        const rlimit more{limit.rlim_max + 1, limit.rlim_max + 1};
        if (::setrlimit(resource, &more) == 0) return escaped("limit " + std::to_string(resource));
    }
    return contained(errno_name(errno));
}

constexpr Attempt attempts[] = {
    {"become_root", become_root},
    {"become_group_root", become_group_root},
    {"change_ids", change_ids},
    {"file_system_ids", file_system_ids},
    {"set_groups", set_groups},
    {"groups_left", groups_left},
    {"capabilities_held", capabilities_held},
    {"bounding_set", bounding_set},
    {"take_capabilities", take_capabilities},
    {"drop_capabilities", drop_capabilities},
    {"ambient_capability", ambient_capability},
    {"secure_bits", secure_bits},
    {"keep_capabilities", keep_capabilities},
    {"no_new_privileges", no_new_privileges},
    {"filter_that_allows", filter_that_allows},
    {"filter_that_asks", filter_that_asks},
    {"filter_that_traces", filter_that_traces},
    {"filter_in_force", filter_in_force},
    {"real_time", real_time},
    {"lower_nice", lower_nice},
    {"limit_of_cores", limit_of_cores},
    {"limit_of_threads", limit_of_threads},
    {"limit_of_descriptors", limit_of_descriptors},
    {"limit_of_queues", limit_of_queues},
    {"limit_of_signals", limit_of_signals},
    {"raise_limits", raise_limits},
};

}  // namespace

Class privileges() {
    return {"privileges", attempts};
}

}  // namespace qvm::probe
