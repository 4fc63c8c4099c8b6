// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/cgroup_places.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

#include "base/file.hpp"

namespace qvm::jail {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream{std::string(text)};
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

/// mountinfo writes spaces and the like as "\040".
std::string unescape(const std::string& text) {
    constexpr std::size_t digits = 3;
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto octal = text.substr(i + 1, digits);
        const bool escape = text[i] == '\\' && octal.size() == digits &&
                            std::ranges::all_of(octal, [](char c) { return c >= '0' && c <= '7'; });
        plain += escape ? static_cast<char>(std::stoi(octal, nullptr, 8)) : text[i];
        if (escape) i += digits;
    }
    return plain;
}

struct Mount {
    std::string root;   ///< the group that the mount shows as its own root
    std::string point;  ///< where it is
    std::string type;
    std::vector<std::string> controllers;  ///< v1
};

std::vector<Mount> cgroup_mounts(std::string_view mountinfo) {
    constexpr std::size_t root_field = 3, point_field = 4, fewest_fields = 5;
    std::vector<Mount> mounts;
    for (const auto& line : split(mountinfo, '\n')) {
        const auto dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        const auto before = split(std::string_view(line).substr(0, dash), ' ');
        const auto after = split(std::string_view(line).substr(dash + 3), ' ');
        if (before.size() < fewest_fields || after.size() < 3) continue;
        if (after[0] != "cgroup" && after[0] != "cgroup2") continue;
        mounts.push_back(
            {unescape(before[root_field]), unescape(before[point_field]), after[0], split(after[2], ',')});
    }
    return mounts;
}

/// Where `group` is in `mount`. In a container the group's path may begin outside of what is mounted: then
/// all we can see is the mount itself.
fs::path directory_in(const Mount& mount, const std::string& group) {
    const fs::path inner = fs::path(group).lexically_relative(mount.root);
    const bool outside = inner.empty() || *inner.begin() == "..";
    return outside || inner == "." ? fs::path(mount.point) : mount.point / inner;
}

}  // namespace

CgroupPlaces find_cgroup_places(std::string_view cgroups, std::string_view mountinfo) {
    const auto mounts = cgroup_mounts(mountinfo);
    CgroupPlaces places;
    for (const auto& line : split(cgroups, '\n')) {
        // "4:memory:/a/group", "0::/a/group"; only the group may have more colons.
        const auto first = line.find(':');
        const auto second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const auto controllers = split(line.substr(first + 1, second - first - 1), ',');
        const auto group = line.substr(second + 1);
        for (const auto& mount : mounts) {
            if (line.starts_with("0::") && mount.type == "cgroup2" && places.v2.empty()) {
                places.v2_root = mount.point;
                places.v2 = directory_in(mount, group);
            }
            for (const auto& controller : controllers)
                if (mount.type == "cgroup" && std::ranges::count(mount.controllers, controller) > 0)
                    places.v1.try_emplace(controller, directory_in(mount, group));
        }
    }
    return places;
}

CgroupPlaces own_cgroup_places() {
    return find_cgroup_places(read_file("/proc/self/cgroup").bytes, read_file("/proc/self/mountinfo").bytes);
}

}  // namespace qvm::jail
