// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/cgroup_change.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "jail/cgroup_files.hpp"

namespace qvm::jail {
namespace {

namespace fs = std::filesystem;
using Number = std::optional<std::uint64_t>;

/// The file of each controller's own limit.
struct ControllerFile {
    const char* controller;
    const char* v2;
    const char* v1;
};
constexpr auto controller_files = std::to_array<ControllerFile>({
    {"memory", "memory.max", "memory.limit_in_bytes"},
    {"cpu", "cpu.max", "cpu.cfs_quota_us"},
    {"pids", "pids.max", "pids.max"},
    {"io", "io.max", "blkio.throttle.read_bps_device"},
});

/// The group's directory that has `file`; empty if none has.
fs::path directory_with(const CgroupRecord& record, const std::string& file) {
    std::error_code ignored;
    for (const auto& directory : record.directories)
        if (fs::exists(directory / file, ignored)) return directory;
    return {};
}

std::string or_max(const Number& number) {
    return number ? std::to_string(*number) : "max";
}

void change_memory(const Number& before, const Number& after, int version, std::vector<CgroupWrite>& writes) {
    if (before == after) return;
    if (version == 2) {
        writes.push_back({"memory", "memory.max", or_max(after)});
        writes.push_back({"memory", "memory.swap.max", after ? "0" : "max"});
        return;
    }
    const auto bytes = after ? std::to_string(*after) : "-1";
    writes.push_back({"memory", "memory.limit_in_bytes", bytes});
    writes.push_back({"memory", "memory.memsw.limit_in_bytes", bytes});
    // The one with swap is never the smaller.
    const bool raises = before && (!after || *after > *before);
    if (raises) std::swap(writes[writes.size() - 1], writes[writes.size() - 2]);
}

void change_io(const CgroupLimits& before, const CgroupLimits& after, int version,
               std::vector<CgroupWrite>& writes) {
    auto devices = before.io_devices;
    for (const dev_t device : after.io_devices)
        if (std::ranges::count(devices, device) == 0) devices.push_back(device);
    const auto has = [](const CgroupLimits& limits, dev_t device) {
        return std::ranges::count(limits.io_devices, device) != 0;
    };
    for (const dev_t device : devices) {
        const auto limit = [&](const CgroupLimits& limits, const Number& rate) {
            return has(limits, device) ? rate : Number();
        };
        const auto read = limit(after, after.io_read);
        const auto written = limit(after, after.io_write);
        const bool reads = limit(before, before.io_read) != read;
        const bool writes_too = limit(before, before.io_write) != written;
        const auto number = fmt::format("{}:{}", major(device), minor(device));
        if (version == 2 && (reads || writes_too))
            writes.push_back(
                {"io", "io.max", fmt::format("{} rbps={} wbps={}", number, or_max(read), or_max(written))});
        if (version == 1 && reads)
            writes.push_back(
                {"io", "blkio.throttle.read_bps_device", fmt::format("{} {}", number, read.value_or(0))});
        if (version == 1 && writes_too)
            writes.push_back(
                {"io", "blkio.throttle.write_bps_device", fmt::format("{} {}", number, written.value_or(0))});
    }
}

Number memory_used(const CgroupRecord& record) {
    const std::string file = record.version == 2 ? "memory.current" : "memory.usage_in_bytes";
    const auto lines = lines_of(directory_with(record, file) / file);
    return lines.empty() ? std::nullopt : number_in(lines.front());
}

[[noreturn]] void refuse_memory(const CgroupRecord& record, std::uint64_t limit) {
    const auto used = memory_used(record);
    throw Error(
        ExitCode::HostCannot,
        fmt::format("limits.memory cannot be {}: the VM uses {}, and the kernel cannot take any of that",
                    format_size(limit), used ? format_size(*used) : "more"));
}

/// What version 1 refuses, version 2 takes as an order to kill.
void make_room(const CgroupRecord& record, std::uint64_t limit) {
    const auto used = memory_used(record);
    if (record.version != 2 || !used || *used <= limit) return;
    const auto directory = directory_with(record, "memory.current");
    // Linux 5.19: what can be read again is given up.
    static_cast<void>(write_file(directory / "memory.reclaim", std::to_string(*used - limit)));
    if (memory_used(record).value_or(0) > limit) refuse_memory(record, limit);
}

void write_all(const CgroupRecord& record, const std::vector<CgroupWrite>& writes,
               const CgroupLimits& after) {
    for (const auto& write : writes) {
        const auto directory = directory_with(record, write.file);
        // Without swap in the kernel, there is no limit of it.
        if (directory.empty() && write.file.find("sw") != std::string::npos) continue;
        if (write.file == "memory.max" && after.memory) make_room(record, *after.memory);
        const int error = directory.empty() ? ENOENT : write_file(directory / write.file, write.text);
        if (error == EBUSY && write.controller == "memory" && after.memory)
            refuse_memory(record, *after.memory);
        if (error != 0)
            throw Error(ExitCode::HostCannot,
                        fmt::format("cannot write '{}' to '{}': {}", write.text,
                                    (directory / write.file).string(), errno_text(error)));
    }
}

}  // namespace

std::set<std::string> controllers_of(const CgroupRecord& record) {
    std::set<std::string> controllers;
    for (const auto& row : controller_files)
        if (record.version != 0 && !directory_with(record, record.version == 2 ? row.v2 : row.v1).empty())
            controllers.insert(row.controller);
    return controllers;
}

std::vector<CgroupWrite> writes_for_change(const CgroupLimits& before, const CgroupLimits& after,
                                           int version) {
    std::vector<CgroupWrite> writes;
    change_memory(before.memory, after.memory, version, writes);
    if (before.pids != after.pids) writes.push_back({"pids", "pids.max", or_max(after.pids)});
    if (before.cpu != after.cpu) {
        CgroupLimits cpu;
        cpu.cpu = after.cpu;
        if (after.cpu)
            std::ranges::move(writes_for(cpu, version), std::back_inserter(writes));
        else if (version == 2)
            writes.push_back({"cpu", "cpu.max", "max"});
        else
            writes.push_back({"cpu", "cpu.cfs_quota_us", "-1"});
    }
    change_io(before, after, version, writes);
    return writes;
}

void change_limits(const CgroupRecord& record, const CgroupLimits& before, const CgroupLimits& after) {
    std::string failure;
    try {
        write_all(record, writes_for_change(before, after, record.version), after);
        return;
    } catch (const Error& error) {
        failure = error.what();
    }
    for (const auto& write : writes_for_change(after, before, record.version))
        static_cast<void>(write_file(directory_with(record, write.file) / write.file, write.text));
    throw Error(ExitCode::HostCannot, failure);
}

}  // namespace qvm::jail
