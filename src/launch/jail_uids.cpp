// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_uids.hpp"

#include <algorithm>
#include <pwd.h>
#include <sstream>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"

namespace qvm::launch {
JailUids::JailUids() : JailUids(usual) {}

JailUids::JailUids(Range range)
    : JailUids({read_file("/etc/subuid").bytes, read_file("/etc/subgid").bytes}, range) {
    if (range == usual) return;
    ::setpwent();
    while (const passwd* user = ::getpwent()) take(user->pw_uid);
    ::endpwent();
}

JailUids::JailUids(const std::vector<std::string>& subordinate, Range range) : range_(range) {
    for (const auto& text : subordinate) add(text);
}

/// Lines of "user:first:count"; what is not of that form gives nothing away.
void JailUids::add(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::ranges::replace(line, ':', ' ');
        std::istringstream fields(line);
        std::string user;
        std::uint64_t begin = 0, length = 0;
        if (fields >> user >> begin >> length && length > 0)
            taken_.emplace_back(begin, length > UINT32_MAX ? UINT32_MAX : begin + length - 1);
    }
}

void JailUids::take(std::uint32_t uid) {
    taken_.emplace_back(uid, uid);
}

std::uint32_t JailUids::choose(std::string_view key) const {
    const auto size = std::uint64_t{range_.second} - range_.first + 1;
    const auto start = stable_hash(key) % size;
    for (std::uint64_t i = 0; i < size;) {
        const auto uid = range_.first + (start + i) % size;
        const auto found = std::ranges::find_if(
            taken_, [&](const auto& range) { return range.first <= uid && uid <= range.second; });
        if (found == taken_.end()) return static_cast<std::uint32_t>(uid);
        i += found->second - uid + 1;
    }
    if (range_ != usual)
        throw Error(ExitCode::HostCannot,
                    fmt::format("no uid is free in jail.uid-range, {}-{}", range_.first, range_.second),
                    "they belong to other VMs, to users (passwd(5)), or to users' namespaces (subuid(5), "
                    "subgid(5)): choose another range");
    // All 250 million given away: then the range is somebody's anyway.
    return static_cast<std::uint32_t>(range_.first + start);
}

}  // namespace qvm::launch
