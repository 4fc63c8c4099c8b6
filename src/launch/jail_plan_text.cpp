// SPDX-License-Identifier: GPL-3.0-or-later
// A jail as tables, in the order in which a reviewer asks: who, where, with what, and what may it do.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "jail/names.hpp"
#include "jail/path_rules.hpp"
#include "launch/jail_plan.hpp"

namespace qvm::launch {
namespace {

constexpr std::size_t page_width = 100;

using Rows = std::vector<std::vector<std::string>>;

/// Columns as wide as needed, the last one free.
std::string columns(const Rows& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows)
        for (std::size_t i = 0; i + 1 < row.size(); ++i) {
            if (widths.size() <= i) widths.resize(i + 1);
            widths[i] = std::max(widths[i], display_width(escape_controls(row[i])));
        }
    std::string text;
    for (const auto& row : rows) {
        text += ' ';
        for (std::size_t i = 0; i < row.size(); ++i) {
            const auto cell = escape_controls(row[i]);
            text += ' ' + cell;
            if (i + 1 < row.size()) text += std::string(widths[i] - display_width(cell) + 1, ' ');
        }
        text += '\n';
    }
    return text;
}

/// Words in lines, indented.
std::string paragraph(const std::vector<std::string>& words, const std::string& between) {
    constexpr const char* indent = "    ";
    std::string text;
    std::string line = indent;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto word = escape_controls(words[i]) + (i + 1 < words.size() ? between : "");
        if (line != indent && line.size() + word.size() + 1 > page_width) {
            text += line + '\n';
            line = indent;
        }
        line += (line == indent ? "" : " ") + word;
    }
    return text + line + '\n';
}

std::string section(const std::string& title, const std::string& body) {
    return body.empty() ? std::string() : fmt::format("\n{}\n{}", title, body);
}

std::string who(const JailPlan& plan) {
    const auto& spec = plan.spec;
    const auto gid = spec.host_gid ? spec.host_gid : spec.host_uid;
    auto outside = std::string("the caller's on the host");
    if (!spec.host_uid && plan.uids)
        outside = fmt::format("one of {}-{} on the host, chosen at the first start, of this VM alone",
                              plan.uids->first, plan.uids->second);
    if (spec.host_uid && gid == spec.host_uid) outside = fmt::format("{} on the host", *spec.host_uid);
    if (spec.host_uid && gid != spec.host_uid)
        outside = fmt::format("{} and {} on the host", *spec.host_uid, *gid);
    if (plan.user.empty() && spec.host_uid) outside += ", of this VM alone";
    if (!plan.user.empty()) outside += fmt::format(", those of the user {}: jail.user", plan.user);
    Rows rows = {{"executable", spec.executable}};
    if (spec.filter.exec_fd >= 0)
        rows.push_back({"exec", fmt::format("once: by descriptor {}, which exec closes and the limit of "
                                            "open files keeps from coming back",
                                            spec.filter.exec_fd)});
    const bool reduced = spec.mode == jail::Mode::Reduced;
    rows.push_back({"uid and gid",
                    fmt::format("{}{}; no supplementary groups as root{}", reduced ? "" : "1000 inside is ",
                                outside, reduced ? " but that of /dev/kvm, where it has one" : "")});
    rows.push_back({"capabilities", reduced ? "none, and no_new_privs; as root locked in all five sets"
                                            : "none, in all five sets; locked; no_new_privs"});
    rows.push_back({"new namespaces",
                    reduced
                        ? fmt::format("none: it sees the host's processes and network interfaces{}",
                                      spec.internet ? ", and may use the network" : "")
                        : fmt::format("user mnt ipc uts cgroup{}{}", spec.namespaces.pid ? " pid" : "",
                                      spec.namespaces.net ? " net (empty)" : "; the network is the host's")});
    rows.push_back({"environment", fmt::format("{}", fmt::join(spec.env, " "))});
    return columns(rows);
}

std::string files(const JailPlan& plan) {
    Rows rows = {{"/", "tmpfs", "ro,nosuid,nodev,noexec"}};
    if (plan.spec.mode == jail::Mode::Reduced)
        rows = {{"/", "the host's",
                 plan.spec.landlock == jail::Landlock::Off
                     ? "all that its uid may open: Landlock is off"
                     : "what Landlock leaves of it, see below; without Landlock all that its uid may open"}};
    for (const auto& mount : plan.layout.attachments)
        rows.push_back({'/' + mount.target, mount.source, jail::mount_options(mount.attributes)});
    for (const auto& path : plan.spec.tmpfs) rows.push_back({path, "tmpfs", "rw,nosuid,nodev,noexec"});
    if (plan.spec.proc) rows.push_back({"/proc", "proc", "rw,nosuid,nodev,noexec"});
    for (const auto& link : plan.layout.symlinks) rows.push_back({'/' + link.path, "-> " + link.target, ""});
    for (const auto& copy : plan.copies) rows.push_back({copy.number, "copy of " + copy.what, "ro"});
    return columns(rows);
}

std::string given(const std::vector<GivenFd>& fds) {
    Rows rows;
    for (const auto& fd : fds) rows.push_back({fd.number, fd.access, fd.name, fd.what});
    return columns(rows);
}

std::string limits(const jail::Spec& spec) {
    Rows rows;
    for (const auto& limit : spec.limits)
        rows.push_back({jail::limit_name(limit.resource), std::to_string(limit.value)});
    if (spec.filter.exec_fd >= 0) rows.push_back({"RLIMIT_NOFILE", std::to_string(spec.filter.exec_fd)});
    return columns(rows);
}

std::string landlock(const JailPlan& plan) {
    if (plan.spec.landlock == jail::Landlock::Off) return "  off: jail.landlock says so\n";
    Rows rows;
    for (const auto& rule : plan.paths)
        rows.push_back({rule.path, fmt::format("{}", fmt::join(jail::right_names(rule.rights), " "))});
    rows.push_back({"the executable", "execute read_file: by its descriptor"});
    const auto scope = jail::landlock_scope(plan.spec);
    if (scope.tcp) rows.push_back({"TCP", "no bind, no connect (ABI 4)"});
    if (scope.abstract_sockets) rows.push_back({"abstract sockets", "none of other processes (ABI 6)"});
    if (scope.signals) rows.push_back({"signals", "none to processes outside (ABI 6)"});
    return columns(rows);
}

std::string landlock_title(const JailPlan& plan) {
    std::string title = "Landlock, on top of the file system and the filter";
    if (plan.spec.landlock == jail::Landlock::Require) title += "; no start without it";
    if (plan.landlock_abi && plan.spec.landlock != jail::Landlock::Off)
        title += *plan.landlock_abi > 0 ? fmt::format("; this kernel has ABI {}", *plan.landlock_abi)
                                        : "; this kernel has none";
    return title;
}

/// What becomes of a call that is in no list.
const char* otherwise(jail::Violation violation) {
    switch (violation) {
        case jail::Violation::Errno:
            return "answers EPERM";
        case jail::Violation::Log:
            return "answers EPERM and is logged by the kernel";
        case jail::Violation::Kill:
            return "ends QEMU";
    }
    return "";
}

std::string calls(const std::vector<jail::Rule>& rules) {
    std::string text;
    for (auto from = rules.begin(); from != rules.end();) {
        const auto to = std::find_if(from, rules.end(), [&](const auto& rule) {
            return rule.reason != from->reason || rule.error != from->error;
        });
        const auto action =
            from->error == 0 ? std::string("allowed") : fmt::format("answers {}", errno_text(from->error));
        text += fmt::format("  {}: {}\n", action, from->reason);
        std::vector<std::string> words;
        std::transform(from, to, std::back_inserter(words), jail::rule_text);
        text += paragraph(words, words.size() > 1 && !from->tests.empty() ? "," : "");
        from = to;
    }
    return text;
}

}  // namespace

std::string JailPlan::to_text() const {
    if (spec.mode == jail::Mode::Off)
        return fmt::format("{}: no jail at all: jail.mode = \"off\"; QEMU has all rights of its caller\n",
                           vm);
    const auto instructions = spec.filter.program.size() / jail::Filter::instruction_size;
    const auto* kind = spec.mode == jail::Mode::Reduced ? "reduced " : "";
    return fmt::format("{}: the {}jail that QEMU is started in\n", vm, kind) +
           section("process", who(*this)) + section("command line", paragraph(spec.argv, "")) +
           section("file system", files(*this)) +
           section("descriptors beside stdin, stdout and stderr", given(fds)) +
           section("limits", limits(spec)) + section(landlock_title(*this), landlock(*this)) +
           section(fmt::format("system calls: a filter of {} instructions; a call that is not listed {}, "
                               "one of another architecture is death",
                               instructions, otherwise(violation)),
                   calls(rules));
}

}  // namespace qvm::launch
