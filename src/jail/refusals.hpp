// SPDX-License-Identifier: GPL-3.0-or-later
// What filters refused, as the kernel's log has it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace qvm::jail {

/// A record of type 1326 (AUDIT_SECCOMP).
struct Refusal {
    double seconds = 0;  ///< since the machine's start
    pid_t pid = -1;
    std::uint32_t uid = 0;
    std::string command;   ///< as the process called itself
    std::string program;   ///< its file
    std::string call;      ///< "io_uring_setup", or "call 425" for one without a name
    bool foreign = false;  ///< of another architecture than ours, as of a 32-bit program
    bool killed = false;   ///< the process was ended for it

    /// "io_uring_setup was refused: past every filter" and the like, in one line.
    std::string to_string() const;
};

/// A line of /dev/kmsg; nothing if it is about something else.
std::optional<Refusal> parse_refusal(std::string_view line);

/// What the log still has, oldest first. Throws SystemError with the way out when it cannot be read.
std::vector<Refusal> read_refusals();

}  // namespace qvm::jail
