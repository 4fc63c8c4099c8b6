// SPDX-License-Identifier: GPL-3.0-or-later
// Puts the threads that run a guest's processors on processors of the host.
#pragma once
#include <filesystem>
#include <map>
#include <sys/types.h>
#include <vector>

#include "base/json.hpp"
#include "config/resource.hpp"

namespace qvm::launch {

/// The threads of a process by the number that each has where the process is (in its own PID namespace).
/// What cannot be read is not there.
std::map<pid_t, pid_t> threads_of(pid_t process, const std::filesystem::path& proc = "/proc");

/// `cpus`: what query-cpus-fast says of the QEMU that is `process` here. A number that is of no thread of the
/// process is passed over: QEMU says it. A pin without CPUs, or none, lets the thread run where
/// `process` may. Needs the rights over the process that sched_setaffinity(2) names; throws SystemError.
void pin_processors(const std::vector<config::Pin>& pins, const Json& cpus, pid_t process);

}  // namespace qvm::launch
