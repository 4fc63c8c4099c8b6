// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/verdict.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm::jail {

namespace {

constexpr const char* capability_sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

class Judge {
  public:
    Judge(const ProcFacts& facts, const ProcFacts& ours, const Promise& promise)
        : facts_(facts), ours_(ours), promise_(promise) {}

    std::vector<Finding> all() {
        if (readable("status", {"uid", "gid", "groups", "capabilities", "no_new_privs", "seccomp"})) {
            ids("uid", "Uid");
            ids("gid", "Gid");
            groups();
            capabilities();
            is("no_new_privs", "NoNewPrivs", "1");
            filter();
        }
        if (readable("ns", {"namespaces"})) namespaces();
        if (readable("mountinfo", {"mounts"})) mounts();
        if (readable("fd", {"descriptors"})) descriptors();
        if (readable("limits", {"core dumps", "open files"})) limits();
        tell("cgroup", facts_.cgroup);
        tell("oom_score_adj", facts_.oom_score_adj);
        tell("threads", field("Threads"));
        return std::move(findings_);
    }

  private:
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
        const auto wanted = fmt::format("{0} {0} {0} {0}", promise_.uid);
        const auto says = field(name);
        // A user's group is not his uid; that it is not root's is what counts.
        const bool own_group = name == "Gid" && !promise_.no_groups;
        if (own_group)
            require(property, says, !(" " + says).starts_with(" 0 "), "not root's");
        else
            require(property, says, says == wanted && promise_.uid != 0, wanted);
    }
    void groups() {
        const auto says = field("Groups");
        if (promise_.no_groups)
            require("groups", says.empty() ? "none" : says, says.empty(), "no supplementary groups");
        else
            tell("groups", (says.empty() ? std::string("none") : says) + " (a user's own cannot be dropped)");
    }
    void is(const std::string& property, const std::string& name, const std::string& wanted) {
        require(property, field(name), field(name) == wanted, wanted);
    }
    void capabilities() {
        std::string has;
        for (const std::string set : capability_sets) {
            // A new user namespace brings a full bounding set; without a member in another set it is nothing.
            if (promise_.role == Role::Sandboxing && set == "CapBnd") continue;
            const auto value = field(set);
            if (value.empty() || value.find_first_not_of('0') != std::string::npos)
                has += fmt::format("{}{} {}", has.empty() ? "" : ", ", set, value);
        }
        require("capabilities", has.empty() ? "none" : has, has.empty(), "none in any set");
    }
    void filter() {
        const auto says = fmt::format("mode {}, {} filter(s)", field("Seccomp"), field("Seccomp_filters"));
        if (promise_.role == Role::Stub)
            tell("seccomp", says + " (it runs only code of qvm's)");
        else
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
        require("namespaces", says, shared == allowed,
                promise_.network ? "all its own but net" : "all its own");
    }
    void mounts() {
        std::string writable;
        for (const auto& mount : facts_.mounts)
            if (mount.writable) writable += (writable.empty() ? "" : " ") + mount.target;
        const auto says =
            fmt::format("{}; writable: {}", facts_.mounts.size(), writable.empty() ? "none" : writable);
        if (promise_.role == Role::Sandboxing)
            tell("mounts", says);
        else
            require("mounts", says, writable.empty() && !facts_.mounts.empty(), "none is writable");
    }
    void descriptors() {
        std::string directories;
        for (const auto& fd : facts_.fds)
            if (fd.directory) directories += fmt::format("{}{}", directories.empty() ? "" : " ", fd.number);
        require(
            "descriptors",
            fmt::format("{}; directories: {}", facts_.fds.size(), directories.empty() ? "none" : directories),
            directories.empty(), "no directory: from one, files could be opened");
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
            return "as promised";
        case Verdict::Broken:
            return "NOT as promised";
        case Verdict::Unread:
            return "could not be read";
        case Verdict::Told:
            return "";
    }
    return "";
}

std::vector<Finding> judge(const ProcFacts& facts, const ProcFacts& ours, const Promise& promise) {
    return Judge(facts, ours, promise).all();
}

}  // namespace qvm::jail
