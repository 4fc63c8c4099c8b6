// SPDX-License-Identifier: GPL-3.0-or-later
// Where the calling process is in the cgroup hierarchies of its system, and where a group of its own may be
// made.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace qvm::jail {

/// Directories of mounted hierarchies. That they are mounted says nothing about what may be written there.
struct CgroupPlaces {
    std::filesystem::path v2_root;                    ///< the mount's own directory; empty: there is none
    std::filesystem::path v2;                         ///< our group's directory in it
    std::map<std::string, std::filesystem::path> v1;  ///< our group's directory, by controller ("pids")
};

/// From the texts of /proc/self/cgroup and /proc/self/mountinfo (cgroups(7), proc(5)). Lines that make no
/// sense are passed over.
CgroupPlaces find_cgroup_places(std::string_view cgroups, std::string_view mountinfo);

/// Of the calling process.
CgroupPlaces own_cgroup_places();

}  // namespace qvm::jail
