// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/cgroup.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <iterator>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "jail/cgroup_files.hpp"

namespace qvm::jail {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds removal_deadline{5};

constexpr const char* require_advice =
    "as a user, run it where cgroups are delegated to you: `systemd-run --user --scope -p Delegate=yes qvm "
    "..`, or in a service with Delegate=yes and DelegateSubgroup=; jail.cgroup = \"auto\" goes on without";

std::vector<pid_t> members(const fs::path& directory) {
    std::vector<pid_t> pids;
    for (const auto& line : lines_of(directory / "cgroup.procs"))
        // 0 stands for a process that our pid namespace cannot name.
        if (const auto pid = number_in(line); pid && *pid > 0) pids.push_back(static_cast<pid_t>(*pid));
    return pids;
}

bool kill_all(const fs::path& directory) {
    return write_file(directory / "cgroup.kill", "1") == 0;
}

void kill_members(const fs::path& directory) {
    if (kill_all(directory)) return;
    // Version 1, or a kernel before 5.14. Nothing new may come while we go through them.
    write_file(directory / "pids.max", "0");
    for (const pid_t pid : members(directory)) {
        if (pid == ::getpid()) continue;
        const PidFd process = PidFd::open(pid);
        // First the descriptor, then the look: the number may be another process's by now.
        if (process && std::ranges::count(members(directory), pid) > 0) process.send(SIGKILL);
    }
}

enum class Removal { Gone, Busy, Refused };

Removal try_remove(const fs::path& directory) {
    const auto rmdir = [&] {
        if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return Removal::Gone;
        return errno == EBUSY || errno == ENOTEMPTY ? Removal::Busy : Removal::Refused;
    };
    if (const auto done = rmdir(); done != Removal::Busy) return done;
    kill_members(directory);
    Removal worst = Removal::Gone;
    for (const auto& inner : subgroups(directory)) worst = std::max(worst, try_remove(inner));
    if (worst != Removal::Gone) return worst;
    const auto again = rmdir();
    // What is not of a cgroup file system does not get empty by waiting.
    return again == Removal::Busy && errno == ENOTEMPTY ? Removal::Refused : again;
}

bool remove_directories(const std::vector<fs::path>& directories) {
    const auto end = std::chrono::steady_clock::now() + removal_deadline;
    constexpr int longest_pause_ms = 50;
    for (int pause_ms = 1;; pause_ms = std::min(pause_ms * 2, longest_pause_ms)) {
        Removal worst = Removal::Gone;
        for (const auto& directory : directories) worst = std::max(worst, try_remove(directory));
        if (worst == Removal::Gone) return true;
        if (worst == Removal::Refused || std::chrono::steady_clock::now() > end) return false;
        // A killed process is in its group until the kernel has ended it.
        ::poll(nullptr, 0, pause_ms);
    }
}

/// What one place has to offer.
struct Attempt {
    CgroupRecord record;
    std::size_t granted = 0;  ///< writes

    void miss(const CgroupWrite& write, const std::string& why) {
        auto sentence = fmt::format("{}: unlimited: {}", write.controller, why);
        if (std::ranges::count(record.missing, sentence) == 0) record.missing.push_back(std::move(sentence));
    }
};

/// 0, or an errno value. What an earlier life left there goes first.
int make_empty_group(const fs::path& directory) {
    if (::mkdir(directory.c_str(), 0755) == 0) return 0;
    if (errno != EEXIST) return errno;
    remove_directories({directory});
    return ::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST ? 0 : errno;
}

std::string cannot(std::string_view action, const fs::path& path, int error) {
    return fmt::format("cannot {} '{}': {}", action, path.string(), errno_text(error));
}

/// Where in `above` to make the group. A supervisor of root has given up its capabilities when it removes the
/// group. In a directory that it may only change by them (the root of each hierarchy is nobody's to write) a
/// group is made in one of our own, which is left there.
fs::path house_in(const fs::path& above) {
    struct stat status {};
    if (::geteuid() != 0 || ::stat(above.c_str(), &status) != 0) return above;
    if (status.st_uid == 0 && (status.st_mode & S_IWUSR) != 0) return above;
    auto house = above / "qvm";
    return ::mkdir(house.c_str(), 0755) == 0 || errno == EEXIST ? house : above;
}

/// A group that has processes can hand down only the controllers of threads, and becomes one of threads by
/// it: then the groups in it can have no processes. Only the root of the hierarchy, which has no type, may.
bool hands_down_nothing(const fs::path& above) {
    std::error_code ignored;
    return fs::exists(above / "cgroup.type", ignored) && !lines_of(above / "cgroup.procs").empty();
}

/// In version 2 a controller is there for a group when all groups above hand it down. Those from `above` to
/// `group` are ours.
int write_v2(const fs::path& above, const fs::path& group, const CgroupWrite& write, Attempt& attempt,
             bool hand_down) {
    int error = write_file(group / write.file, write.text);
    const auto subtree = above / "cgroup.subtree_control";
    const auto enable = '+' + write.controller;
    if (error == ENOENT && hand_down) {
        if (hands_down_nothing(above)) {
            attempt.miss(write,
                         fmt::format("'{}' has processes, and so hands no controller down", above.string()));
            return EBUSY;
        }
        error = write_file(subtree, enable);
        if (error != 0) {
            attempt.miss(write, cannot("enable the controller in", subtree, error));
            return error;
        }
        error = write_file(group / write.file, write.text);
    }
    if (error == ENOENT && group.parent_path() != above) {
        write_file(group.parent_path() / "cgroup.subtree_control", enable);
        error = write_file(group / write.file, write.text);
    }
    if (error == ENOENT)
        attempt.miss(write, fmt::format("'{}' does not hand the controller down", above.string()));
    else if (error != 0)
        attempt.miss(write, cannot("write", group / write.file, error));
    return error;
}

Attempt attempt_v2(const fs::path& above, const std::string& name, const CgroupLimits& limits,
                   bool hand_down) {
    Attempt attempt;
    const auto writes = writes_for(limits, 2);
    const auto group = house_in(above) / name;
    int error = make_empty_group(group);
    auto why = cannot("make", group, error);
    if (error == 0) {
        attempt.record.version = 2;
        attempt.record.directories.push_back(group);
        // A process is moved by who may write here too: in what its old and its new group have in common.
        const auto gate = above / "cgroup.procs";
        if (!Fd(::open(gate.c_str(), O_WRONLY | O_CLOEXEC))) {
            error = errno;
            why = cannot("write", gate, error);
        }
    }
    for (const auto& write : writes) {
        if (error != 0)
            attempt.miss(write, why);
        else if (write_v2(above, group, write, attempt, hand_down) == 0)
            ++attempt.granted;
    }
    return attempt;
}

Attempt attempt_v1(const CgroupPlaces& places, const std::string& name, const CgroupLimits& limits) {
    Attempt attempt;
    auto& directories = attempt.record.directories;
    for (const auto& write : writes_for(limits, 1)) {
        const auto place = places.v1.find(write.controller == "io" ? "blkio" : write.controller);
        if (place == places.v1.end()) {
            attempt.miss(write, "this system has no such cgroup controller");
            continue;
        }
        const auto group = house_in(place->second) / name;
        const bool made = std::ranges::count(directories, group) > 0;
        if (const int error = made ? 0 : make_empty_group(group); error != 0) {
            attempt.miss(write, cannot("make", group, error));
            continue;
        }
        if (!made) directories.push_back(group);
        if (const int error = write_file(group / write.file, write.text); error != 0)
            attempt.miss(write, cannot("write", group / write.file, error));
        else
            ++attempt.granted;
    }
    attempt.record.version = directories.empty() ? 0 : 1;
    return attempt;
}

using Candidate = std::function<Attempt()>;

/// In the order of preference: best of all where nothing has to be changed for others.
std::vector<Candidate> candidates(const CgroupPlaces& places, const std::string& name,
                                  const CgroupLimits& limits) {
    std::vector<Candidate> list;
    for (const bool hand_down : {false, true}) {
        if (places.v2.empty()) break;
        for (auto above = places.v2;; above = above.parent_path()) {
            list.emplace_back([=, &limits] { return attempt_v2(above, name, limits, hand_down); });
            if (above == places.v2_root || !above.has_relative_path()) break;
        }
    }
    if (!places.v1.empty()) list.emplace_back([&] { return attempt_v1(places, name, limits); });
    return list;
}

std::vector<std::string> nothing_mounted(const CgroupLimits& limits) {
    Attempt attempt;
    for (const auto& write : writes_for(limits, 2)) attempt.miss(write, "no cgroups are mounted here");
    return attempt.record.missing;
}

/// The first place where everything can be had, or the one with the most.
CgroupRecord search(const CgroupPlaces& places, const std::string& name, const CgroupLimits& limits) {
    const auto list = candidates(places, name, limits);
    CgroupRecord none{.version = 0, .directories = {}, .missing = nothing_mounted(limits)};
    if (list.empty()) return none;
    const Candidate* best = nullptr;
    // That of our own group, with all means.
    const auto& own = list.at(places.v2.empty() ? 0 : (list.size() - (places.v1.empty() ? 0 : 1)) / 2);
    std::size_t most = 0;
    for (const auto& candidate : list) {
        Attempt attempt = candidate();
        if (attempt.record.version != 0 && attempt.record.missing.empty()) return attempt.record;
        remove_directories(attempt.record.directories);
        if (attempt.granted > most) {
            most = attempt.granted;
            best = &candidate;
        }
        // When nothing can be had, our own group says why; where there is version 1, that has the
        // controllers.
        if (&candidate == &own || (&candidate == &list.back() && !places.v1.empty()))
            none.missing = attempt.record.missing;
    }
    return best != nullptr ? (*best)().record : none;
}

/// Version 1 limits io only for what is in the group itself, not for what is in groups below it.
bool has_leaves(const fs::path& group) {
    std::error_code ignored;
    return !fs::exists(group / "blkio.throttle.read_bps_device", ignored);
}

[[noreturn]] void refuse(const std::vector<std::string>& missing) {
    std::string advice;
    for (std::size_t i = 1; i < missing.size(); ++i) advice += missing[i] + '\n';
    throw Error(ExitCode::HostCannot, "not all limits can be had: " + missing.front(),
                advice + require_advice);
}

}  // namespace

Cgroup Cgroup::make(const CgroupPlaces& places, const std::string& name, const CgroupLimits& limits,
                    CgroupMode mode) {
    Cgroup group(search(places, name, limits), mode);
    if ((limits.io_read || limits.io_write) && limits.io_devices.empty())
        group.record_.missing.emplace_back("io: unlimited: no disk of this host is known to hold the files");
    if (mode == CgroupMode::Require && !group.record_.missing.empty()) refuse(group.record_.missing);
    return group;
}

Cgroup::Cgroup(Cgroup&& other) noexcept
    : record_(std::exchange(other.record_, CgroupRecord{})), mode_(other.mode_), kept_(other.kept_) {}

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
    if (this == &other) return *this;
    remove();
    record_ = std::exchange(other.record_, CgroupRecord{});
    mode_ = other.mode_;
    kept_ = other.kept_;
    return *this;
}

Cgroup Cgroup::found_again(CgroupRecord record) {
    Cgroup cgroup(std::move(record), CgroupMode::Auto);
    cgroup.keep();
    return cgroup;
}

Cgroup::~Cgroup() {
    if (!kept_) remove();
}

bool Cgroup::remove() noexcept {
    return remove_cgroup(std::exchange(record_, CgroupRecord{}));
}

std::vector<std::string> add_to_cgroup(const CgroupRecord& record, const std::string& leaf, pid_t pid) {
    std::vector<std::string> failures;
    for (const auto& directory : record.directories) {
        const auto group = has_leaves(directory) ? directory / leaf : directory;
        if (::mkdir(group.c_str(), 0755) != 0 && errno != EEXIST)
            failures.push_back(fmt::format("{} has no limits: {}", leaf, cannot("make", group, errno)));
        else if (const int error = write_file(group / "cgroup.procs", std::to_string(pid)); error != 0)
            failures.push_back(
                fmt::format("{} has no limits: {}", leaf, cannot("write", group / "cgroup.procs", error)));
    }
    return failures;
}

void remove_leaf(const CgroupRecord& record, const std::string& leaf) noexcept {
    for (const auto& directory : record.directories) ::rmdir((directory / leaf).c_str());
}

void Cgroup::add_early(const std::string& leaf, pid_t pid) const {
    static_cast<void>(add_to_cgroup(record_, leaf, pid));
}

void Cgroup::add(const std::string& leaf, pid_t pid) {
    auto failures = add_to_cgroup(record_, leaf, pid);
    if (mode_ == CgroupMode::Require && !failures.empty()) refuse(failures);
    std::ranges::move(failures, std::back_inserter(record_.missing));
}

bool kill_cgroup(const CgroupRecord& record) noexcept {
    try {
        return record.version == 2 && !record.directories.empty() &&
               std::ranges::all_of(record.directories, kill_all);
    } catch (const std::exception&) {
        return false;
    }
}

std::vector<PathRule> paths_of_cgroup(const CgroupRecord& record) {
    using R = PathRights;
    std::vector<PathRule> rules;
    for (const auto& directory : record.directories) {
        rules.push_back({directory.string(), R::read | R::write_file | R::remove_dir});
        // The right to remove a directory is one over what it is in.
        rules.push_back({directory.parent_path().string(), R::remove_dir});
    }
    return rules;
}

bool remove_cgroup(const CgroupRecord& record) noexcept {
    try {
        return remove_directories(record.directories);
    } catch (const std::exception&) {
        return false;
    }
}

}  // namespace qvm::jail
