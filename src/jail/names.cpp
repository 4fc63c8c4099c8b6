// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/names.hpp"

#include <algorithm>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <scsi/sg.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <fmt/format.h>

namespace qvm::jail {

namespace {

struct Name {
    std::uint32_t value;
    const char* name;
};
// The preprocessor is the only one who can turn a constant into its name.
#define NAMED(constant)                                 \
    Name {                                              \
        static_cast<std::uint32_t>(constant), #constant \
    }

constexpr Name limits[] = {
    NAMED(RLIMIT_CPU),      NAMED(RLIMIT_FSIZE), NAMED(RLIMIT_DATA),   NAMED(RLIMIT_STACK),
    NAMED(RLIMIT_CORE),     NAMED(RLIMIT_RSS),   NAMED(RLIMIT_NPROC),  NAMED(RLIMIT_NOFILE),
    NAMED(RLIMIT_MEMLOCK),  NAMED(RLIMIT_AS),    NAMED(RLIMIT_LOCKS),  NAMED(RLIMIT_SIGPENDING),
    NAMED(RLIMIT_MSGQUEUE), NAMED(RLIMIT_NICE),  NAMED(RLIMIT_RTPRIO), NAMED(RLIMIT_RTTIME)};

constexpr Name families[] = {NAMED(AF_UNIX), NAMED(AF_INET), NAMED(AF_INET6), NAMED(AF_NETLINK)};

constexpr Name prctls[] = {NAMED(PR_SET_NAME),        NAMED(PR_GET_NAME),     NAMED(PR_SET_TIMERSLACK),
                           NAMED(PR_MCE_KILL),        NAMED(PR_CAPBSET_READ), NAMED(PR_GET_NO_NEW_PRIVS),
                           NAMED(PR_SET_NO_NEW_PRIVS)};

constexpr Name fcntls[] = {NAMED(F_DUPFD_CLOEXEC), NAMED(F_GETFD),     NAMED(F_SETFD),
                           NAMED(F_GETFL),         NAMED(F_SETFL),     NAMED(F_SETLK),
                           NAMED(F_OFD_GETLK),     NAMED(F_OFD_SETLK), NAMED(F_ADD_SEALS)};

constexpr Name ioctls[] = {NAMED(FIONREAD),
                           NAMED(FIONBIO),
                           NAMED(FIOCLEX),
                           NAMED(BLKSSZGET),
                           NAMED(BLKPBSZGET),
                           NAMED(BLKROGET),
                           NAMED(BLKDISCARD),
                           NAMED(BLKZEROOUT),
                           NAMED(BLKSECTGET),
                           NAMED(FS_IOC_FSGETXATTR),
                           Name{0x800c581e, "XFS_IOC_DIOINFO"},
                           NAMED(SG_IO),
                           NAMED(SG_GET_VERSION_NUM),
                           NAMED(SG_GET_SCSI_ID),
                           NAMED(SG_GET_SG_TABLESIZE),
                           Name{_IO(0xfd, 18), "DM_MPATH_PROBE_PATHS"},
                           NAMED(CDROM_DRIVE_STATUS),
                           NAMED(TCGETS),
                           NAMED(TCSETS),
                           NAMED(TCGETS2),
                           NAMED(TCSETS2),
                           NAMED(TIOCMGET),
                           NAMED(TIOCMSET),
                           NAMED(TCSBRKP),
                           NAMED(TIOCSTI),
                           NAMED(TIOCLINUX),
                           NAMED(TUNGETIFF),
                           NAMED(TUNSETOFFLOAD),
                           NAMED(TUNSETSNDBUF),
                           NAMED(TUNGETVNETHDRSZ),
                           NAMED(TUNSETVNETHDRSZ),
                           NAMED(TUNSETVNETLE),
                           NAMED(TUNSETVNETBE),
                           NAMED(TUNSETQUEUE)};

constexpr Name socket_options[] = {NAMED(SO_TYPE),      NAMED(SO_ERROR),     NAMED(SO_DOMAIN),
                                   NAMED(SO_PROTOCOL),  NAMED(SO_SNDBUF),    NAMED(SO_PEERCRED),
                                   NAMED(SO_REUSEADDR), NAMED(SO_KEEPALIVE), NAMED(SO_PRIORITY),
                                   NAMED(SO_BROADCAST), NAMED(SO_ZEROCOPY),  NAMED(SO_OOBINLINE)};

constexpr Name tcp_options[] = {NAMED(TCP_NODELAY), NAMED(TCP_CORK), NAMED(TCP_KEEPIDLE),
                                NAMED(TCP_KEEPINTVL), NAMED(TCP_KEEPCNT)};

constexpr Name ip_options[] = {NAMED(IP_TOS), NAMED(IP_TTL), NAMED(IP_RECVERR)};

constexpr Name ipv6_options[] = {NAMED(IPV6_V6ONLY), NAMED(IPV6_UNICAST_HOPS), NAMED(IPV6_RECVERR)};

constexpr Name levels[] = {NAMED(SOL_SOCKET), NAMED(IPPROTO_TCP), NAMED(IPPROTO_IP), NAMED(IPPROTO_IPV6)};

constexpr Name protocols[] = {NAMED(IPPROTO_TCP), NAMED(IPPROTO_UDP), NAMED(IPPROTO_ICMP),
                              NAMED(IPPROTO_ICMPV6)};

/// Under a mask that leaves what can be or'ed to them.
constexpr Name socket_types[] = {NAMED(SOCK_STREAM), NAMED(SOCK_DGRAM)};
#undef NAMED

using R = PathRights;
constexpr std::pair<std::uint64_t, const char*> rights_by_name[] = {
    {R::execute, "execute"},       {R::read_file, "read_file"},     {R::read_dir, "read_dir"},
    {R::write_file, "write_file"}, {R::truncate, "truncate"},       {R::make_file, "make_reg"},
    {R::make_dir, "make_dir"},     {R::make_symlink, "make_sym"},   {R::make_socket, "make_sock"},
    {R::make_fifo, "make_fifo"},   {R::remove_file, "remove_file"}, {R::remove_dir, "remove_dir"},
    {R::refer, "refer"},           {R::ioctl_device, "ioctl_dev"},
};

/// An argument that messages call by its name in the manual.
struct Argument {
    std::string_view call;
    unsigned index;
    const char* name;
    const Name* begin;
    const Name* end;
};
constexpr Argument arguments[] = {
    {"socket", 0, "domain", std::begin(families), std::end(families)},
    {"socket", 1, "type", std::begin(socket_types), std::end(socket_types)},
    {"socket", 2, "protocol", std::begin(protocols), std::end(protocols)},
    {"socketpair", 0, "domain", std::begin(families), std::end(families)},
    {"prctl", 0, "option", std::begin(prctls), std::end(prctls)},
    {"fcntl", 1, "cmd", std::begin(fcntls), std::end(fcntls)},
    {"ioctl", 1, "request", std::begin(ioctls), std::end(ioctls)},
    {"getsockopt", 1, "level", std::begin(levels), std::end(levels)},
    {"setsockopt", 1, "level", std::begin(levels), std::end(levels)},
    {"socketpair", 1, "type", std::begin(socket_types), std::end(socket_types)},
    {"open", 1, "flags", nullptr, nullptr},
    {"openat", 2, "flags", nullptr, nullptr},
    {"clone", 0, "flags", nullptr, nullptr},
    {"tgkill", 0, "tgid", nullptr, nullptr},
    {"prlimit64", 0, "pid", nullptr, nullptr},
    {"sched_setaffinity", 0, "pid", nullptr, nullptr},
    {"execveat", 0, "fd", nullptr, nullptr},
    {"execveat", 4, "flags", nullptr, nullptr},
    {"personality", 0, "persona", nullptr, nullptr},
};

std::string value_text(std::uint32_t value) {
    if (value == own_pid) return "its own";
    constexpr std::uint32_t small = 10000;
    return value < small ? std::to_string(value) : fmt::format("{:#x}", value);
}

template <std::size_t count>
std::string name_in(const Name (&names)[count], std::uint32_t value) {
    const auto* found = std::ranges::find(names, value, &Name::value);
    return found != std::end(names) ? found->name : value_text(value);
}

/// An option of a socket has its name from the level, which is tested first.
std::optional<std::string> option_text(const Rule& rule, const ArgumentTest& test) {
    if (rule.call != "getsockopt" && rule.call != "setsockopt") return std::nullopt;
    if (test.index != 2 || rule.tests.front().index != 1) return std::nullopt;
    switch (rule.tests.front().value) {
        case IPPROTO_TCP:
            return "optname = " + name_in(tcp_options, test.value);
        case IPPROTO_IP:
            return "optname = " + name_in(ip_options, test.value);
        case IPPROTO_IPV6:
            return "optname = " + name_in(ipv6_options, test.value);
        default:
            return "optname = " + name_in(socket_options, test.value);
    }
}

std::string test_text(const Rule& rule, const ArgumentTest& test) {
    if (auto option = option_text(rule, test)) return *option;
    const auto& call = rule.call;
    const auto* known = std::ranges::find_if(
        arguments, [&](const auto& one) { return one.call == call && one.index == test.index; });
    const bool found = known != std::end(arguments);
    const auto argument = found ? std::string(known->name) : fmt::format("argument {}", test.index);
    const auto what = test.mask == 0xffffffff ? argument : fmt::format("{} & {:#x}", argument, test.mask);
    if (found)
        for (const auto* name = known->begin; name != known->end; ++name)
            if (name->value == test.value) return fmt::format("{} = {}", what, name->name);
    return fmt::format("{} = {}", what, value_text(test.value));
}

}  // namespace

std::string limit_name(int resource) {
    const auto* found = std::ranges::find(limits, static_cast<std::uint32_t>(resource), &Name::value);
    return found != std::end(limits) ? found->name : std::to_string(resource);
}

std::string mount_options(std::uint64_t attributes) {
    std::string text = (attributes & MOUNT_ATTR_RDONLY) != 0 ? "ro" : "rw";
    if ((attributes & MOUNT_ATTR_NOSUID) != 0) text += ",nosuid";
    if ((attributes & MOUNT_ATTR_NODEV) != 0) text += ",nodev";
    if ((attributes & MOUNT_ATTR_NOEXEC) != 0) text += ",noexec";
    return text;
}

std::vector<std::string> right_names(std::uint64_t rights) {
    std::vector<std::string> names;
    for (const auto& [right, name] : rights_by_name)
        if ((rights & right) != 0) names.emplace_back(name);
    return names;
}

std::string rule_text(const Rule& rule) {
    if (rule.tests.empty()) return rule.call;
    std::string text;
    for (const auto& test : rule.tests) text += (text.empty() ? "" : ", ") + test_text(rule, test);
    return fmt::format("{}({})", rule.call, text);
}

std::string call_purpose(const std::string& call) {
    // Our own lists say it best: a refused call is either in the one for commands, or in none.
    static const auto rules = command_filter_rules();
    for (const auto& rule : rules)
        if (rule.call == call) return rule.reason;
    static const std::vector<std::pair<std::vector<std::string_view>, const char*>> purposes = {
        {{"fork", "vfork", "clone", "execve", "execveat", "wait4", "waitid"}, "starting other programs"},
        {{"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open",
          "pidfd_send_signal"},
         "signals to other processes"},
        {{"socket", "socketpair"}, "sockets of a kind it does not need"},
        {{"ioctl"}, "a request to a device that it does not need"},
        {{"fcntl", "prctl"}, "an option that it does not need"},
        {{"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
          "setfsgid", "capset"},
         "becoming another user, or more privileged"},
        {{"mkdir",    "mkdirat",  "rmdir",     "rename",    "renameat",  "renameat2",
          "link",     "linkat",   "symlink",   "symlinkat", "mknod",     "mknodat",
          "chmod",    "fchmod",   "fchmodat",  "chown",     "fchown",    "lchown",
          "fchownat", "truncate", "utimensat", "setxattr",  "fsetxattr", "removexattr"},
         "making and changing files by name"},
        {{"sched_setscheduler", "sched_setattr", "sched_setparam", "setpriority", "ioprio_set"},
         "its priority against other processes"},
    };
    for (const auto& [calls, purpose] : purposes)
        if (std::ranges::find(calls, call) != calls.end()) return purpose;
    return {};
}

}  // namespace qvm::jail
