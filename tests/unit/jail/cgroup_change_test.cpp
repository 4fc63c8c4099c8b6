// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/cgroup_change.hpp"

#include <fstream>
#include <sys/sysmacros.h>

#include "base/error.hpp"
#include "jail/cgroup_files.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::jail;
namespace fs = std::filesystem;

namespace {

using Lines = std::vector<std::string>;

Lines texts(const CgroupLimits& before, const CgroupLimits& after, int version) {
    Lines lines;
    for (const auto& write : writes_for_change(before, after, version))
        lines.push_back(write.file + ": " + write.text);
    return lines;
}

CgroupLimits with_memory(std::uint64_t bytes) {
    CgroupLimits limits;
    limits.memory = bytes;
    return limits;
}

void put(const fs::path& file, const std::string& text) {
    std::ofstream(file) << text << '\n';
}

}  // namespace

TEST_CASE("only what differs is written, and what is not limited any more is told so") {
    CHECK(texts(with_memory(5), with_memory(5), 2).empty());
    CgroupLimits all = with_memory(1000);
    all.cpu = 500;
    all.pids = 9;
    all.io_read = 7;
    all.io_devices = {makedev(8, 16)};
    CHECK(texts({}, all, 2) == Lines{"memory.max: 1000", "memory.swap.max: 0", "pids.max: 9",
                                     "cpu.max: 50000 100000", "io.max: 8:16 rbps=7 wbps=max"});
    CHECK(texts(all, {}, 2) == Lines{"memory.max: max", "memory.swap.max: max", "pids.max: max",
                                     "cpu.max: max", "io.max: 8:16 rbps=max wbps=max"});
    CHECK(texts(all, {}, 1) == Lines{"memory.memsw.limit_in_bytes: -1", "memory.limit_in_bytes: -1",
                                     "pids.max: max", "cpu.cfs_quota_us: -1",
                                     "blkio.throttle.read_bps_device: 8:16 0"});
}

TEST_CASE("a device that is new gets the limit that others have") {
    CgroupLimits before, after;
    before.io_read = after.io_read = 7;
    before.io_write = after.io_write = 9;
    before.io_devices = {makedev(8, 0)};
    after.io_devices = {makedev(8, 0), makedev(8, 16)};
    CHECK(texts(before, after, 2) == Lines{"io.max: 8:16 rbps=7 wbps=9"});
    CHECK(texts(after, before, 2) == Lines{"io.max: 8:16 rbps=max wbps=max"});
    CHECK(texts(before, after, 1) ==
          Lines{"blkio.throttle.read_bps_device: 8:16 7", "blkio.throttle.write_bps_device: 8:16 9"});
    CHECK(texts(after, after, 2).empty());
}

TEST_CASE("version 1 never has less memory with swap than without") {
    CHECK(texts(with_memory(1), with_memory(2), 1) ==
          Lines{"memory.memsw.limit_in_bytes: 2", "memory.limit_in_bytes: 2"});
    CHECK(texts(with_memory(2), with_memory(1), 1) ==
          Lines{"memory.limit_in_bytes: 1", "memory.memsw.limit_in_bytes: 1"});
    CHECK(texts({}, with_memory(1), 1) ==
          Lines{"memory.limit_in_bytes: 1", "memory.memsw.limit_in_bytes: 1"});
}

TEST_CASE("less memory than is used is refused before the kernel kills for it") {
    const test::TemporaryDirectory directory;
    const CgroupRecord record{.version = 2, .directories = {directory.path()}, .missing = {}};
    put(directory.path() / "memory.max", "8388608");
    put(directory.path() / "memory.current", "4194304");
    put(directory.path() / "pids.max", "50");
    CHECK(controllers_of(record) == std::set<std::string>{"memory", "pids"});
    CgroupLimits before = with_memory(8U << 20U);
    CgroupLimits after = with_memory(2U << 20U);
    CHECK_THROWS_WITH(change_limits(record, before, after),
                      ContainsSubstring("limits.memory cannot be 2M: the VM uses 4M"));
    CHECK(lines_of(directory.path() / "memory.max").front() == "8388608");
    CHECK_THROWS_WITH(change_limits({.version = 1, .directories = {}, .missing = {}}, before, after),
                      ContainsSubstring("No such file"));
    CHECK(controllers_of({}).empty());
}
