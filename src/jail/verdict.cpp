// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/verdict.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm::jail {

namespace {

constexpr const char* capability_sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

constexpr unsigned kill_capability = 5;  // CAP_KILL

/// The real, effective, saved and file system id, when they are one.
std::string without_repetition(const std::string& ids) {
    std::istringstream words(ids);
    std::string first;
    words >> first;
    for (std::string word; words >> word;)
        if (word != first) return ids;
    return first;
}

class Judge {
  public:
    Judge(const ProcFacts& facts, const ProcFacts& ours, const Promise& promise)
        : facts_(facts), ours_(ours), promise_(promise) {}

    std::vector<Finding> all() {
        if (promise_.role == Role::Supervisor) return outside();
        if (readable("status", {"uid", "gid", "groups", "capabilities", "no_new_privs", "seccomp"})) {
            ids("uid", "Uid");
            ids("gid", "Gid");
            groups();
            capabilities();
            is("no_new_privs", "NoNewPrivs", "1");
            filter();
        }
        if (readable("ns", {"namespaces"})) namespaces();
        if (readable("mountinfo", {"root", "mounts"})) mounts();
        if (readable("fd", {"descriptors"})) descriptors();
        if (readable("limits", {"core dumps", "open files"})) limits();
        for (const auto& [property, says] : promise_.unseen) tell(property, says);
        tell("cgroup", cgroups());
        tell("oom_score_adj", facts_.oom_score_adj);
        tell("threads", field("Threads"));
        return std::move(findings_);
    }

  private:
    /// Of one who lives where we do, only what he took from himself.
    std::vector<Finding> outside() {
        if (readable("status", {"capabilities", "no_new_privs", "seccomp"})) {
            capabilities();
            is("no_new_privs", "NoNewPrivs", "1");
            filter();
        }
        for (const auto& [property, says] : promise_.unseen) tell(property, says);
        return std::move(findings_);
    }

    std::string field(const std::string& name) const {
        const auto found = facts_.status.find(name);
        return found == facts_.status.end() ? std::string() : found->second;
    }
    /// What follows from a file that could not be read is said of each of its properties.
    bool readable(const std::string& file, const std::vector<std::string>& properties) {
        const int error = facts_.error_of(file);
        if (error == 0) return true;
        const auto* why = promise_.role == Role::Stub
                              ? "it is not dumpable, so that nothing can trace it: only root may look"
                              : "only root, or the user who started it, may look";
        for (const auto& property : properties)
            findings_.push_back(
                {property,
                 {},
                 Verdict::Unread,
                 fmt::format("/proc/{}/{}: {}; {}", facts_.pid, file, errno_text(error), why)});
        return false;
    }
    void require(const std::string& property, const std::string& says, bool kept,
                 const std::string& promised) {
        findings_.push_back({property, says, kept ? Verdict::AsPromised : Verdict::Broken,
                             kept ? std::string() : "promised: " + promised});
    }
    void tell(const std::string& property, const std::string& says) {
        if (!says.empty()) findings_.push_back({property, says, Verdict::Told, {}});
    }

    void ids(const std::string& property, const std::string& name) {
        const auto number = name == "Gid" ? promise_.gid.value_or(promise_.uid) : promise_.uid;
        const auto wanted = std::to_string(number);
        const auto says = without_repetition(field(name));
        // A user's group is not his uid; that it is not root's is what counts.
        const bool own_group = name == "Gid" && !promise_.no_groups;
        if (own_group)
            require(property, says, !(" " + says + ' ').starts_with(" 0 "), "not root's");
        else
            require(property, says, says == wanted && number != 0, wanted);
    }
    void groups() {
        const auto says = field("Groups");
        const auto only = promise_.group ? std::to_string(*promise_.group) : std::string();
        if (promise_.no_groups)
            require("groups", says.empty() ? "none" : says, says.empty() || says == only,
                    only.empty() ? "no supplementary groups" : "none but that of /dev/kvm, " + only);
        else
            tell("groups", (says.empty() ? std::string("none") : says) + " (a user's own cannot be dropped)");
    }
    void is(const std::string& property, const std::string& name, const std::string& wanted) {
        require(property, field(name), field(name) == wanted, wanted);
    }
    void capabilities() {
        // In the host's user namespace only root can empty the bounding set.
        const bool locked = (promise_.role == Role::Contained || promise_.role == Role::Stub) &&
                            !(promise_.reduced && !promise_.no_groups);
        const std::uint64_t kept = promise_.signals                   ? std::uint64_t{1} << kill_capability
                                   : promise_.role == Role::Contained ? promise_.capabilities
                                                                      : 0;
        std::string has;
        bool more = false;
        for (const std::string set : capability_sets) {
            // A new user namespace brings a full bounding set, and an ordinary user's is full; without a
            // member in another set it is nothing.
            if (!locked && set == "CapBnd") continue;
            const auto value = field(set);
            const auto members =
                value.empty() ? ~std::uint64_t{0} : std::strtoull(value.c_str(), nullptr, 16);
            if (members != 0) has += fmt::format("{}{} {}", has.empty() ? "" : ", ", set, value);
            more = more || (members & ~kept) != 0;
        }
        require("capabilities", has.empty() ? "none" : has, !more,
                kept == 0          ? std::string("none in any set")
                : promise_.signals ? std::string("none but CAP_KILL")
                                   : fmt::format("none but {:016x}, in its user namespace", kept));
    }
    void filter() {
        const auto says = fmt::format("mode {}, {} filter(s)", field("Seccomp"), field("Seccomp_filters"));
        require("seccomp", says, field("Seccomp") == "2", "mode 2, a filter");
    }
    void namespaces() {
        std::string shared, apart;
        for (const auto& [name, link] : facts_.namespaces) {
            const auto mine = ours_.namespaces.find(name);
            auto& list = mine != ours_.namespaces.end() && mine->second == link ? shared : apart;
            list += (list.empty() ? "" : " ") + name;
        }
        const std::string allowed = promise_.network ? "net" : "";
        auto says = "its own: " + (apart.empty() ? "none" : apart);
        if (!shared.empty()) says += "; ours: " + shared;
        if (promise_.reduced) return given_up("namespaces", says);
        require("namespaces", says, shared == allowed,
                promise_.network ? "all its own but net" : "all its own");
    }
    /// What is mounted in a writable place came with it.
    bool may_be_written(const std::string& target) const {
        return std::ranges::any_of(promise_.writable, [&](const auto& place) {
            return target == place || target.starts_with(place + '/');
        });
    }
    void mounts() {
        if (promise_.reduced && promise_.role != Role::Sandboxing) return given_up("root", "the host's");
        std::string writable;
        bool kept = !facts_.mounts.empty();
        for (const auto& mount : facts_.mounts)
            if (mount.writable) {
                writable += (writable.empty() ? "" : " ") + mount.target;
                kept = kept && may_be_written(mount.target);
            }
        const auto root = std::ranges::find(facts_.mounts, "/", &MountFact::target);
        const bool seen = root != facts_.mounts.end();
        const auto kind = !seen ? "none" : fmt::format("{}, {}", root->type, root->writable ? "rw" : "ro");
        const auto says =
            fmt::format("{}; writable: {}", facts_.mounts.size(), writable.empty() ? "none" : writable);
        if (promise_.role == Role::Sandboxing)
            tell("mounts", says);
        else {
            const auto promised =
                promise_.writable.empty()
                    ? std::string("none is writable")
                    : fmt::format("only {} writable", fmt::join(promise_.writable, " and "));
            require("root", kind, seen && !root->writable && root->type == "tmpfs", "tmpfs, ro");
            require("mounts", says, kept, promised);
        }
    }
    void descriptors() {
        std::string directories;
        for (const auto& fd : facts_.fds)
            if (fd.directory && !promise_.directories &&
                !(promise_.reduced && promise_.directory == fd.number))
                directories += fmt::format("{}{}", directories.empty() ? "" : " ", fd.number);
        require(
            "descriptors",
            fmt::format("{}; directories: {}", facts_.fds.size(), directories.empty() ? "none" : directories),
            directories.empty(), "no directory: from one, files could be opened");
    }
    void given_up(const std::string& property, const std::string& says) {
        tell(property, says + " (a reduced jail gives that up)");
    }
    /// Those that are not the root's: with cgroup v1 there is a line for each controller.
    std::string cgroups() const {
        std::istringstream lines(facts_.cgroup);
        std::string text;
        for (std::string line; std::getline(lines, line);)
            if (!line.ends_with(":/")) text += (text.empty() ? "" : " ") + line;
        return text.empty() ? "the root's" : text;
    }
    std::string limit(const std::string& name) const {
        const auto found = facts_.limits.find(name);
        return found == facts_.limits.end() ? std::string() : found->second;
    }
    void limits() {
        if (promise_.role == Role::Stub) return;  // they are set in the process only
        const auto core = limit("Max core file size");
        require("core dumps", core, core == "0 0", "0 0: one would hold the guest's memory");
        std::istringstream words(limit("Max open files"));
        std::string soft, hard;
        words >> soft >> hard;
        if (promise_.role == Role::Contained)
            require("open files", soft + ' ' + hard, soft == hard && hard != "unlimited",
                    "a hard limit at the number that exec is allowed for");
        else
            tell("open files", soft + ' ' + hard);
    }

    const ProcFacts& facts_;
    const ProcFacts& ours_;
    const Promise& promise_;
    std::vector<Finding> findings_;
};

}  // namespace

std::string_view verdict_text(Verdict verdict) {
    switch (verdict) {
        case Verdict::AsPromised:
            return "yes";
        case Verdict::Broken:
            return "NO";
        case Verdict::Unread:
            return "unread";
        case Verdict::Told:
            return "";
    }
    return "";
}

std::vector<Finding> judge(const ProcFacts& facts, const ProcFacts& ours, const Promise& promise) {
    return Judge(facts, ours, promise).all();
}

}  // namespace qvm::jail
