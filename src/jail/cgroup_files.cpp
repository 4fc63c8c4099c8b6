// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/cgroup_files.hpp"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "jail/cgroup.hpp"

namespace qvm::jail {
namespace {

namespace fs = std::filesystem;

/// The period over which the kernel counts a group's processor time.
constexpr std::uint64_t period_us = 100'000;
constexpr std::uint64_t thousandths = 1'000;

/// Version 1 says "no limit" as the largest number of whole pages.
constexpr std::uint64_t no_memory_limit = std::uint64_t{1} << 62U;

std::string device_number(dev_t device) {
    return fmt::format("{}:{}", major(device), minor(device));
}

void add_io(const CgroupLimits& limits, int version, std::vector<CgroupWrite>& writes) {
    for (const dev_t device : limits.io_devices) {
        const auto number = device_number(device);
        if (version == 2) {
            std::string text = number;
            if (limits.io_read) text += fmt::format(" rbps={}", *limits.io_read);
            if (limits.io_write) text += fmt::format(" wbps={}", *limits.io_write);
            if (text != number) writes.push_back({"io", "io.max", text});
            continue;
        }
        const auto throttle = [&](const char* file, const std::optional<std::uint64_t>& bytes) {
            if (bytes) writes.push_back({"io", file, fmt::format("{} {}", number, *bytes)});
        };
        throttle("blkio.throttle.read_bps_device", limits.io_read);
        throttle("blkio.throttle.write_bps_device", limits.io_write);
    }
}

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

std::string first_line(const fs::path& path) {
    const auto lines = lines_of(path);
    return lines.empty() ? std::string() : lines.front();
}

std::optional<std::uint64_t> share(std::optional<std::uint64_t> quota, std::optional<std::uint64_t> period) {
    if (!quota || !period || *period == 0) return std::nullopt;
    return *quota * thousandths / *period;
}

void note_device(const std::string& number, CgroupLimits& limits) {
    const auto colon = number.find(':');
    if (colon == std::string::npos) return;
    const auto first = number_in(number.substr(0, colon));
    const auto second = number_in(number.substr(colon + 1));
    if (!first || !second) return;
    const dev_t device = makedev(static_cast<unsigned>(*first), static_cast<unsigned>(*second));
    for (const dev_t known : limits.io_devices)
        if (known == device) return;
    limits.io_devices.push_back(device);
}

void read_v2(const fs::path& group, CgroupLimits& limits) {
    limits.memory = number_in(first_line(group / "memory.max"));
    limits.pids = number_in(first_line(group / "pids.max"));
    if (const auto cpu = words_of(first_line(group / "cpu.max")); cpu.size() == 2)
        limits.cpu = share(number_in(cpu[0]), number_in(cpu[1]));
    for (const auto& line : lines_of(group / "io.max")) {
        const auto words = words_of(line);
        for (std::size_t i = 1; i < words.size(); ++i) {
            const auto value = words[i].find('=') == std::string::npos
                                   ? std::nullopt
                                   : number_in(words[i].substr(words[i].find('=') + 1));
            if (!value) continue;
            if (words[i].starts_with("rbps=") && !limits.io_read) limits.io_read = value;
            if (words[i].starts_with("wbps=") && !limits.io_write) limits.io_write = value;
            note_device(words[0], limits);
        }
    }
}

void read_v1(const fs::path& group, CgroupLimits& limits) {
    if (const auto memory = number_in(first_line(group / "memory.limit_in_bytes"));
        memory && *memory < no_memory_limit)
        limits.memory = memory;
    if (const auto pids = number_in(first_line(group / "pids.max"))) limits.pids = pids;
    if (const auto cpu = share(number_in(first_line(group / "cpu.cfs_quota_us")),
                               number_in(first_line(group / "cpu.cfs_period_us"))))
        limits.cpu = cpu;
    const auto throttle = [&](const char* file, std::optional<std::uint64_t>& bytes) {
        for (const auto& line : lines_of(group / file)) {
            const auto words = words_of(line);
            if (words.size() != 2) continue;
            if (!bytes) bytes = number_in(words[1]);
            note_device(words[0], limits);
        }
    };
    throttle("blkio.throttle.read_bps_device", limits.io_read);
    throttle("blkio.throttle.write_bps_device", limits.io_write);
}

}  // namespace

std::vector<fs::path> subgroups(const fs::path& directory) {
    std::vector<fs::path> found;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        std::error_code ignored;
        if (!entry->is_symlink(ignored) && entry->is_directory(ignored)) found.push_back(entry->path());
    }
    return found;
}

std::vector<std::string> lines_of(const fs::path& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

int write_file(const fs::path& path, const std::string& text) {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return errno;
    return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || text.empty() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

bool reached_memory_limit(const CgroupRecord& record) {
    // Without one, it was the host that had no memory left.
    if (!read_limits(record).memory) return false;
    // Version 1 counts in the group that the process was in.
    const auto counted = [](const fs::path& group) {
        for (const char* file : {"memory.events", "memory.oom_control"})
            for (const auto& line : lines_of(group / file))
                if (const auto words = words_of(line); words.size() == 2 && words[0] == "oom_kill")
                    return number_in(words[1]).value_or(0) > 0;
        return false;
    };
    for (const auto& directory : record.directories) {
        if (counted(directory)) return true;
        for (const auto& inner : subgroups(directory))
            if (counted(inner)) return true;
    }
    return false;
}

std::vector<CgroupWrite> writes_for(const CgroupLimits& limits, int version) {
    const bool v2 = version == 2;
    std::vector<CgroupWrite> writes;
    if (limits.pids) writes.push_back({"pids", "pids.max", std::to_string(*limits.pids)});
    if (limits.memory) {
        // Swap too: a limit that pages can evade is none. Version 1 counts it with the memory, and wants the
        // smaller number first.
        const auto bytes = std::to_string(*limits.memory);
        writes.push_back({"memory", v2 ? "memory.max" : "memory.limit_in_bytes", bytes});
        writes.push_back(
            {"memory", v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", v2 ? "0" : bytes});
    }
    if (limits.cpu) {
        const auto quota = *limits.cpu * period_us / thousandths;
        if (v2) {
            writes.push_back({"cpu", "cpu.max", fmt::format("{} {}", quota, period_us)});
        } else {
            writes.push_back({"cpu", "cpu.cfs_period_us", std::to_string(period_us)});
            writes.push_back({"cpu", "cpu.cfs_quota_us", std::to_string(quota)});
        }
    }
    add_io(limits, version, writes);
    return writes;
}

CgroupLimits read_limits(const CgroupRecord& record) {
    CgroupLimits limits;
    for (const auto& directory : record.directories) {
        if (record.version == 2)
            read_v2(directory, limits);
        else
            read_v1(directory, limits);
    }
    return limits;
}

}  // namespace qvm::jail
