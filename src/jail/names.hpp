// SPDX-License-Identifier: GPL-3.0-or-later
// The kernel's names for the numbers in a Spec: for messages and for people who review one.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "jail/filter.hpp"
#include "jail/landlock.hpp"
#include "jail/layout.hpp"

namespace qvm::jail {

/// "RLIMIT_CORE"; the number for one without a name.
std::string limit_name(int resource);

/// "ro,nosuid,nodev,noexec", as mount(8) says it.
std::string mount_options(std::uint64_t attributes);

/// PathRights as landlock(7) names them: "read_file", "read_dir".
std::vector<std::string> right_names(std::uint64_t rights);

/// "ioctl(request=BLKSSZGET)"; tests of bits as "clone(flags & 0x...=0x...)"; without tests the bare name.
std::string rule_text(const Rule& rule);

/// What a call is for, in a few words, or "" for one that nobody asked about yet.
std::string call_purpose(const std::string& call);

}  // namespace qvm::jail
