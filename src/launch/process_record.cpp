// SPDX-License-Identifier: GPL-3.0-or-later
// Processes as they can be found again.
#include <sstream>

#include <fmt/format.h>

#include "base/file.hpp"
#include "launch/state.hpp"

namespace qvm::launch {
namespace {

/// Field 22 of /proc/PID/stat, 0 if there is no such process. The second field is the program's name in
/// parentheses, which may hold anything: what counts comes after the last one.
std::uint64_t start_time_of(pid_t pid) {
    const auto text = read_file(fmt::format("/proc/{}/stat", pid)).bytes;
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos) return 0;
    std::istringstream rest(text.substr(name_end + 1));
    std::string field;
    constexpr int first_field = 3, start_time_field = 22;
    for (int i = first_field; i < start_time_field; ++i) rest >> field;
    std::uint64_t time = 0;
    rest >> time;
    return time;
}

}  // namespace

ProcessRecord ProcessRecord::of(pid_t pid) {
    return {pid, pid > 0 ? start_time_of(pid) : 0};
}

PidFd ProcessRecord::open() const {
    if (pid <= 0 || start_time == 0) return {};
    PidFd process = PidFd::open(pid);
    // First the descriptor, then the comparison: what it refers to does not change any more.
    if (!process || start_time_of(pid) != start_time || process.wait_ended(0)) return {};
    return process;
}

}  // namespace qvm::launch
