// SPDX-License-Identifier: GPL-3.0-or-later
// What the kernel says of a process, from /proc (proc(5)): not what was asked for, but what is in force.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace qvm::jail {

struct MountFact {
    std::string target;
    std::string type;
    bool writable = false;  ///< the mount and the file system below it
};

struct FdFact {
    int number = -1;
    std::string target;  ///< as readlink(2) says it
    std::string access;  ///< "ro", "rw", "wo"
    bool directory = false;
};

/// What could not be read, and why.
struct UnreadFact {
    std::string file;  ///< below /proc/PID: "fd"
    int error = 0;
};

struct ProcFacts {
    pid_t pid = -1;
    std::map<std::string, std::string> status;      ///< "CapEff" -> "0000000000000000"
    std::map<std::string, std::string> namespaces;  ///< "net" -> "net:[4026531840]"
    std::map<std::string, std::string> limits;      ///< "Max open files" -> "4096 4096"
    std::vector<MountFact> mounts;
    std::vector<FdFact> fds;
    std::string cgroup;
    std::string oom_score_adj;
    std::vector<UnreadFact> unread;

    /// The errno value for a file that could not be read, or 0.
    int error_of(std::string_view file) const;
};

/// Reads all that it may; throws nothing.
ProcFacts read_facts(pid_t pid);
/// The children of a process, as /proc/PID/task/PID/children says.
std::vector<pid_t> children_of(pid_t pid);

/// The parts of it that only look at text.
std::map<std::string, std::string> parse_status(const std::string& text);
std::vector<MountFact> parse_mountinfo(const std::string& text);
std::map<std::string, std::string> parse_limits(const std::string& text);
/// From fdinfo's "flags:" line, which is octal.
std::string parse_access(const std::string& text);

}  // namespace qvm::jail
