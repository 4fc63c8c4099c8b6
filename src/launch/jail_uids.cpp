// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_uids.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace qvm::launch {
namespace {

std::string content_of(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::uint64_t stable_hash(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

JailUids::JailUids() : JailUids({content_of("/etc/subuid"), content_of("/etc/subgid")}) {}

JailUids::JailUids(const std::vector<std::string>& subordinate) {
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
    const auto start = stable_hash(key) % count;
    for (std::uint64_t i = 0; i < count;) {
        const auto uid = first + (start + i) % count;
        const auto found = std::ranges::find_if(
            taken_, [&](const auto& range) { return range.first <= uid && uid <= range.second; });
        if (found == taken_.end()) return static_cast<std::uint32_t>(uid);
        i += found->second - uid + 1;
    }
    // All 250 million given away: then the range is somebody's anyway.
    return static_cast<std::uint32_t>(first + start);
}

}  // namespace qvm::launch
