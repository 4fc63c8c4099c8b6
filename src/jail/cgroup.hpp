// SPDX-License-Identifier: GPL-3.0-or-later
// Limits for a whole set of processes: a cgroup of their own, where this system lets one be made (version 2
// in a delegated subtree, else the directories of version 1, else none). What is possible is found out by
// writing. What was not possible is told, never assumed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "jail/cgroup_places.hpp"
#include "jail/landlock.hpp"

namespace qvm::jail {

/// What is allowed to all processes of the group together; what is unset has no limit.
struct CgroupLimits {
    std::optional<std::uint64_t> memory;             ///< bytes, swap included
    std::optional<std::uint64_t> cpu;                ///< thousandths of a processor: 1500 is one and a half
    std::optional<std::uint64_t> pids;               ///< processes and threads
    std::optional<std::uint64_t> io_read, io_write;  ///< bytes a second, on each of `io_devices`
    std::vector<dev_t> io_devices;                   ///< whole disks, not partitions
};

enum class CgroupMode {
    Auto,     ///< what cannot be had is told
    Require,  ///< and is an error
};

/// A group as it can be found again, by any process.
struct CgroupRecord {
    int version = 0;                                 ///< 2, 1; 0: there is no group
    std::vector<std::filesystem::path> directories;  ///< v1: one for each hierarchy
    std::vector<std::string> missing;                ///< "memory: unlimited: no cgroup can be written here"
};

/// Owns a group and removes it in the end.
class Cgroup {
  public:
    /// Makes the group `name` below our own, or a near ancestor, where most of `limits` can be had. A group
    /// of that name, which an earlier life may have left, is emptied and taken over. Throws Error
    /// (HostCannot) when `mode` requires what cannot be had; nothing is left then.
    static Cgroup make(const CgroupPlaces& places, const std::string& name, const CgroupLimits& limits,
                       CgroupMode mode);
    /// One that another process has made, and has died. The destructor leaves it; remove() does not.
    static Cgroup found_again(CgroupRecord record);
    Cgroup(Cgroup&& other) noexcept;
    Cgroup& operator=(Cgroup&& other) noexcept;
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    /// remove(), for as long as that may take, unless keep() was called.
    ~Cgroup();
    /// From now on the destructor leaves the group.
    void keep() { kept_ = true; }
    /// See remove_cgroup(); there is nothing left to own after it, whatever it returns.
    bool remove() noexcept;

    /// Moves a process, and with it all it will start, to the group's member `leaf`, which is made if need be
    /// (in version 1 not for io: to the group itself). A failure is told in record().missing, or thrown
    /// (Error, HostCannot) when all is required.
    void add(const std::string& leaf, pid_t pid);
    /// The same without a word about failures, for another thread. The kernel makes the first move of a
    /// process wait for a grace period of RCU, some 20 milliseconds; a move soon after it, as by add(), does
    /// not wait.
    void add_early(const std::string& leaf, pid_t pid) const;
    const CgroupRecord& record() const { return record_; }

  private:
    Cgroup(CgroupRecord record, CgroupMode mode) : record_(std::move(record)), mode_(mode) {}

    CgroupRecord record_;
    CgroupMode mode_ = CgroupMode::Auto;
    bool kept_ = false;
};

/// As Cgroup::add(), for who does not own the group. Returns what went wrong.
std::vector<std::string> add_to_cgroup(const CgroupRecord& record, const std::string& leaf, pid_t pid);

/// Removes a leaf whose processes have ended; leaves one that is not empty, or is not there.
void remove_leaf(const CgroupRecord& record, const std::string& leaf) noexcept;

/// Ends all processes of the group at one stroke, those that they are just making too, where the kernel can
/// (version 2, Linux 5.14). False: nothing was done.
bool kill_cgroup(const CgroupRecord& record) noexcept;

/// Kills what is still in the group, and removes it. True if nothing of it is left; false when a process
/// hangs in the kernel. A group that is not there (any more) is removed already.
bool remove_cgroup(const CgroupRecord& record) noexcept;

/// What a process needs that restricts itself by Landlock and shall do all that is declared here for a
/// record.
std::vector<PathRule> paths_of_cgroup(const CgroupRecord& record);

/// The limits in force, as the kernel tells them. `io_devices` are those that have one; with different ones
/// for several, the numbers are the first one's.
CgroupLimits read_limits(const CgroupRecord& record);

/// True if the kernel has killed a process of the group for want of memory.
bool reached_memory_limit(const CgroupRecord& record);

/// One write into a file of the group's directory.
struct CgroupWrite {
    std::string controller;  ///< "memory", as version 2 calls it
    std::string file;
    std::string text;
};

/// How `limits` are said to version 1 or 2, in the order to write.
std::vector<CgroupWrite> writes_for(const CgroupLimits& limits, int version);

}  // namespace qvm::jail
