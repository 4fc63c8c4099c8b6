// SPDX-License-Identifier: GPL-3.0-or-later
// Limits for all processes of a jail together. What is pure is tested on texts and on directories that only
// look like cgroups; the rest in the real ones, as far as this machine lets us.
#include "jail/cgroup.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contained.hpp"
#include "jail/cgroup_files.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> texts(const CgroupLimits& limits, int version) {
    std::vector<std::string> list;
    for (const auto& write : writes_for(limits, version)) list.push_back(write.file + ": " + write.text);
    return list;
}

void put(const fs::path& file, const std::string& text = {}) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
}

CgroupLimits pids_and_memory(std::uint64_t pids, std::uint64_t memory) {
    CgroupLimits limits;
    limits.pids = pids;
    limits.memory = memory;
    return limits;
}

bool has(const std::vector<std::string>& sentences, const std::string& part) {
    return std::any_of(sentences.begin(), sentences.end(),
                       [&](const std::string& s) { return s.find(part) != std::string::npos; });
}

std::string live_name() {
    return "qvm-unit-" + std::to_string(::getpid());
}

/// A real group with `limits`; nothing, and a word about it, where not all of them can be had.
std::optional<Cgroup> live_group(const CgroupLimits& limits) {
    auto group = Cgroup::make(own_cgroup_places(), live_name(), limits, CgroupMode::Auto);
    if (group.record().missing.empty()) return group;
    WARN("skipped: " << group.record().missing.front());
    return std::nullopt;
}

bool any_left(const CgroupRecord& record) {
    return std::any_of(record.directories.begin(), record.directories.end(),
                       [](const fs::path& directory) { return fs::exists(directory); });
}

Child spawn_in(Cgroup& group, const Spec& spec) {
    return spawn(spec, [&](const PidFd& stub) { group.add("process", stub.pid()); });
}

}  // namespace

TEST_CASE("our groups are found: version 2", "[jail]") {
    const auto places = find_cgroup_places(
        "0::/user.slice/user-1000.slice/app.scope\n",
        "24 30 0:26 / /sys rw shared:7 - sysfs sysfs rw\n"
        "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
    CHECK(places.v2_root == "/sys/fs/cgroup");
    CHECK(places.v2 == "/sys/fs/cgroup/user.slice/user-1000.slice/app.scope");
    CHECK(places.v1.empty());
}

TEST_CASE("our groups are found: version 1 beside an empty version 2", "[jail]") {
    const auto places = find_cgroup_places(
        "9:name=systemd:/\n8:pids:/a:b\n4:memory:/docker/77\n1:cpu,cpuacct:/docker/77\n0::/\n",
        "32 31 0:29 /docker/77 /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu\n"
        "35 31 0:32 /docker/77 /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory\n"
        "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    CHECK(places.v2 == "/sys/fs/cgroup/unified");
    CHECK(places.v2_root == places.v2);
    CHECK(places.v1.at("pids") == "/sys/fs/cgroup/pids/a:b");
    CHECK(places.v1.at("memory") == "/sys/fs/cgroup/mem ory");
    CHECK(places.v1.at("cpu") == "/sys/fs/cgroup/cpu,cpuacct");
}

TEST_CASE("a group outside of what is mounted is the mount itself", "[jail]") {
    const auto places = find_cgroup_places("4:memory:/elsewhere\n0::/../../up\n",
                                           "1 2 0:1 /docker/77 /mnt/memory rw - cgroup cgroup rw,memory\n"
                                           "1 2 0:2 / /mnt/unified rw - cgroup2 cgroup2 rw\n");
    CHECK(places.v1.at("memory") == "/mnt/memory");
    CHECK(places.v2 == "/mnt/unified");
}

TEST_CASE("texts that make no sense name no groups", "[jail]") {
    for (const char* text :
         {"", "\n\n", "::::", "0:", "nonsense", "1 - cgroup", " - ", "a b c - cgroup2 x"}) {
        const auto places = find_cgroup_places(text, text);
        CHECK(places.v2.empty());
        CHECK(places.v1.empty());
    }
}

TEST_CASE("limits as both versions know them", "[jail]") {
    CgroupLimits limits = pids_and_memory(300, 1 << 20);
    limits.cpu = 1500;
    limits.io_read = 1000;
    limits.io_write = 500;
    limits.io_devices = {makedev(8, 16)};
    CHECK(texts(limits, 2) == std::vector<std::string>{"pids.max: 300", "memory.max: 1048576",
                                                       "memory.swap.max: 0", "cpu.max: 150000 100000",
                                                       "io.max: 8:16 rbps=1000 wbps=500"});
    CHECK(texts(limits, 1) ==
          std::vector<std::string>{"pids.max: 300", "memory.limit_in_bytes: 1048576",
                                   "memory.memsw.limit_in_bytes: 1048576", "cpu.cfs_period_us: 100000",
                                   "cpu.cfs_quota_us: 150000", "blkio.throttle.read_bps_device: 8:16 1000",
                                   "blkio.throttle.write_bps_device: 8:16 500"});
    CHECK(writes_for({}, 2).empty());
}

TEST_CASE("limits are read back", "[jail]") {
    const TempDir directory;
    const auto v2 = directory.path() / "v2";
    put(v2 / "memory.max", "1048576\n");
    put(v2 / "pids.max", "max\n");
    put(v2 / "cpu.max", "50000 100000\n");
    put(v2 / "io.max", "8:16 rbps=1000 wbps=max riops=max wiops=max\n");
    const auto two = read_limits({.version = 2, .directories = {v2}, .missing = {}});
    CHECK(two.memory == 1048576U);
    CHECK(!two.pids);
    CHECK(two.cpu == 500U);
    CHECK(two.io_read == 1000U);
    CHECK(!two.io_write);
    CHECK(two.io_devices == std::vector<dev_t>{makedev(8, 16)});

    const auto v1 = directory.path() / "v1";
    put(v1 / "memory.limit_in_bytes", "9223372036854771712\n");
    put(v1 / "cpu.cfs_quota_us", "-1\n");
    put(v1 / "cpu.cfs_period_us", "100000\n");
    const auto other = directory.path() / "pids";
    put(other / "pids.max", "300\n");
    const auto one = read_limits({.version = 1, .directories = {v1, other}, .missing = {}});
    CHECK(!one.memory);
    CHECK(!one.cpu);
    CHECK(one.pids == 300U);
}

TEST_CASE("the group is made where the most can be had", "[jail]") {
    const TempDir root;
    const auto own = root.path() / "slice/own";
    fs::create_directories(own);
    // These directories have the files that a kernel would put there.
    put(root.path() / "slice/cgroup.procs");
    put(root.path() / "slice/vm/pids.max");
    put(root.path() / "cgroup.procs");
    for (const char* file : {"pids.max", "memory.max", "memory.swap.max"}) put(root.path() / "vm" / file);
    const CgroupPlaces places{.v2_root = root.path(), .v2 = own, .v1 = {}};

    SECTION("near, when that is enough") {
        CgroupLimits limits;
        limits.pids = 7;
        const auto group = Cgroup::make(places, "vm", limits, CgroupMode::Require);
        CHECK(group.record().directories == std::vector<fs::path>{root.path() / "slice/vm"});
        CHECK(content_of((root.path() / "slice/vm/pids.max").string()) == "7");
    }
    SECTION("further up, when it is not") {
        const auto group = Cgroup::make(places, "vm", pids_and_memory(7, 4096), CgroupMode::Require);
        CHECK(group.record().directories == std::vector<fs::path>{root.path() / "vm"});
        CHECK(content_of((root.path() / "vm/memory.max").string()) == "4096");
    }
    SECTION("not below a group with processes that would have to hand controllers down") {
        put(own / "cgroup.type", "domain\n");
        put(own / "cgroup.procs", "123\n");
        put(own / "cgroup.subtree_control");
        const CgroupPlaces only_own{.v2_root = own, .v2 = own, .v1 = {}};
        CgroupLimits limits;
        limits.pids = 7;
        const auto group = Cgroup::make(only_own, "vm", limits, CgroupMode::Auto);
        CHECK(has(group.record().missing, "has processes"));
        CHECK(content_of((own / "cgroup.subtree_control").string()).empty());
    }
    SECTION("and what is nowhere is told") {
        CgroupLimits limits = pids_and_memory(7, 4096);
        limits.cpu = 1000;
        const auto group = Cgroup::make(places, "vm", limits, CgroupMode::Auto);
        CHECK(group.record().version == 2);
        REQUIRE(group.record().missing.size() == 1);
        CHECK(group.record().missing[0].starts_with("cpu: unlimited: "));
        CHECK_THROWS_WITH(Cgroup::make(places, "vm", limits, CgroupMode::Require),
                          Catch::Contains("cpu: unlimited: "));
    }
    CHECK(!fs::exists(own / "vm"));
}

TEST_CASE("where root may only write by its capabilities, groups are in one of our own", "[jail]") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const TempDir root;
    // Not owned by root, or not writable: in both a group could only be made, not removed.
    const bool foreign = GENERATE(false, true);
    put(root.path() / "cgroup.procs");
    put(root.path() / "qvm/cgroup.subtree_control");
    put(root.path() / "qvm/vm/pids.max");
    if (foreign)
        REQUIRE(::chown(root.path().c_str(), jail_uid, jail_uid) == 0);
    else
        REQUIRE(::chmod(root.path().c_str(), 0555) == 0);
    const CgroupPlaces places{.v2_root = root.path(), .v2 = root.path(), .v1 = {}};
    CgroupLimits limits;
    SECTION("the limits are there") {
        limits.pids = 7;
        const auto group = Cgroup::make(places, "vm", limits, CgroupMode::Auto);
        CHECK(group.record().directories == std::vector<fs::path>{root.path() / "qvm/vm"});
        CHECK(content_of((root.path() / "qvm/vm/pids.max").string()) == "7");
        CHECK(content_of((root.path() / "qvm/cgroup.subtree_control").string()).empty());
    }
    SECTION("it hands down what it is handed") {
        limits.memory = 4096;
        const auto group = Cgroup::make(places, "vm", limits, CgroupMode::Auto);
        CHECK(group.record().missing.size() == 1);
        CHECK(content_of((root.path() / "qvm/cgroup.subtree_control").string()) == "+memory");
    }
    CHECK(!fs::exists(root.path() / "vm"));
}

TEST_CASE("version 1 is taken when version 2 has no controllers", "[jail]") {
    const TempDir root;
    put(root.path() / "unified/cgroup.procs");
    put(root.path() / "pids/vm/pids.max");
    put(root.path() / "memory/vm/memory.limit_in_bytes");
    const CgroupPlaces places{.v2_root = root.path() / "unified",
                              .v2 = root.path() / "unified",
                              .v1 = {{"pids", root.path() / "pids"}, {"memory", root.path() / "memory"}}};
    const auto group = Cgroup::make(places, "vm", pids_and_memory(7, 4096), CgroupMode::Auto);
    CHECK(group.record().version == 1);
    CHECK(content_of((root.path() / "pids/vm/pids.max").string()) == "7");
    CHECK(content_of((root.path() / "memory/vm/memory.limit_in_bytes").string()) == "4096");
    // Swap.
    REQUIRE(group.record().missing.size() == 1);
    CHECK(has(group.record().missing, "memory.memsw.limit_in_bytes"));
    CHECK(!fs::exists(root.path() / "unified/vm"));
}

TEST_CASE("without cgroups everything is told to be unlimited", "[jail]") {
    auto group = Cgroup::make({}, "vm", pids_and_memory(7, 4096), CgroupMode::Auto);
    CHECK(group.record().version == 0);
    CHECK(group.record().missing ==
          std::vector<std::string>{"pids: unlimited: no cgroups are mounted here",
                                   "memory: unlimited: no cgroups are mounted here"});
    group.add("process", ::getpid());
    CHECK_THROWS_AS(Cgroup::make({}, "vm", pids_and_memory(7, 4096), CgroupMode::Require), Error);
}

TEST_CASE("a user who may write no cgroup has none, and is told", "[jail]") {
    const auto places = own_cgroup_places();
    if (places.v2.empty() && places.v1.empty()) {
        WARN("skipped: no cgroups are mounted here");
        return;
    }
    auto group =
        Cgroup::make(own_cgroup_places(), live_name(), pids_and_memory(7, 1 << 30), CgroupMode::Auto);
    if (group.record().version != 0) {
        WARN("skipped: this user may make cgroups");
        return;
    }
    CHECK(has(group.record().missing, "pids: unlimited: cannot make "));
    CHECK(has(group.record().missing, "memory: unlimited: cannot make "));
    CHECK(run(shell("echo hello")).output == "hello\n");
}

TEST_CASE("a fork bomb stops at the limit, and is gone with the group", "[jail]") {
    CgroupLimits limits;
    limits.pids = 20;
    auto group = live_group(limits);
    if (!group) return;
    CHECK(read_limits(group->record()).pids == 20U);
    SocketPair pair(SOCK_STREAM);
    auto spec = shell("(while true; do sleep 1000 & done) 2>/dev/null; echo stopped >&5; read -u 5 line");
    spec.fds = {{pair.second.get(), 5}};
    auto child = spawn_in(*group, spec);
    pair.second.reset();
    char said[8];
    REQUIRE(::recv(pair.first.get(), said, sizeof said, MSG_WAITALL) == sizeof said);

    // Version 1 has the limit on each member, version 2 on the group.
    const auto directory = group->record().directories.front();
    const auto member = group->record().version == 1 ? "process" : "";
    const auto current = lines_of(directory / member / "pids.current");
    REQUIRE(current.size() == 1);
    CHECK(number_in(current[0]).value_or(0) >= 10);
    CHECK(number_in(current[0]).value_or(1000) <= 20);
    const auto record = group->record();
    group.reset();
    CHECK(!any_left(record));
    CHECK(child.wait(10'000).has_value());
}

TEST_CASE("taking memory stops at the limit", "[jail]") {
    auto group = live_group(pids_and_memory(50, std::uint64_t{64} << 20U));
    if (!group) return;
    CHECK(read_limits(group->record()).memory == std::uint64_t{64} << 20U);
    auto child = spawn_in(*group, shell("x=abcdefgh; while true; do x=$x$x; done"));
    const auto status = child.wait(60'000);
    REQUIRE(status);
    CHECK(status->to_string() == "was killed by signal 9 (SIGKILL)");
    const auto record = group->record();
    group.reset();
    CHECK(!any_left(record));
}

TEST_CASE("a processor's share is set", "[jail]") {
    CgroupLimits limits;
    limits.cpu = 250;
    const auto group = live_group(limits);
    if (group) CHECK(read_limits(group->record()).cpu == 250U);
}

TEST_CASE("writing to a disk is as slow as the limit says", "[jail]") {
    const TempDir directory;
    struct stat status {};
    REQUIRE(::stat(directory.path().c_str(), &status) == 0);
    constexpr std::size_t block = 1 << 20;
    CgroupLimits limits;
    limits.io_write = 4 * block;
    limits.io_devices = {status.st_dev};
    auto group = live_group(limits);
    if (!group) return;
    CHECK(read_limits(group->record()).io_write == 4U * block);
    const Fd file(
        ::open((directory.path() / "disk").c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600));
    if (!file) {
        WARN("skipped: this file system has no O_DIRECT");
        return;
    }
    const std::unique_ptr<void, decltype(&std::free)> zeros(std::aligned_alloc(4096, block), &std::free);
    std::memset(zeros.get(), 0, block);
    const Pipe go;
    const pid_t writer = ::fork();
    if (writer == 0) {
        char word = 0;
        bool wrote = ::read(go.read.get(), &word, 1) == 1;
        for (int i = 0; i < 6 && wrote; ++i) wrote = ::write(file.get(), zeros.get(), block) > 0;
        ::_exit(wrote ? 0 : 1);
    }
    group->add("process", writer);
    CHECK(group->record().missing.empty());
    const auto begun = std::chrono::steady_clock::now();
    REQUIRE(::write(go.write.get(), "g", 1) == 1);
    int exit = 0;
    ::waitpid(writer, &exit, 0);
    CHECK(exit == 0);
    CHECK(std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(700));
}

TEST_CASE("who has the record can remove the group", "[jail]") {
    CgroupLimits limits;
    limits.pids = 20;
    auto group = live_group(limits);
    if (!group) return;
    auto child = spawn_in(*group, shell("sleep 1000"));
    const CgroupRecord record = group->record();
    REQUIRE(any_left(record));
    CHECK(remove_cgroup(record));
    CHECK(!any_left(record));
    CHECK(child.wait(10'000)->to_string() == "was killed by signal 9 (SIGKILL)");
    CHECK(remove_cgroup(record));
}

TEST_CASE("a group of version 2 is killed at one stroke", "[jail]") {
    auto places = own_cgroup_places();
    places.v1.clear();
    // Without limits, so it needs no controllers.
    auto group = Cgroup::make(places, live_name(), {}, CgroupMode::Auto);
    if (group.record().version != 2) {
        WARN("skipped: this user may make no group of version 2, or there is none");
        return;
    }
    auto child = spawn_in(group, shell("sleep 1000 & sleep 1000"));
    const auto record = group.record();
    REQUIRE(record.directories.size() == 1);
    CHECK(lines_of(record.directories[0] / "process/cgroup.procs").size() >= 2);
    if (fs::exists(record.directories[0] / "cgroup.kill")) {
        CHECK(kill_cgroup(record));
        CHECK(child.wait(10'000)->to_string() == "was killed by signal 9 (SIGKILL)");
        CHECK(any_left(record));
    }
    CHECK(group.remove());
    CHECK(!any_left(record));
    CHECK(group.record().version == 0);
    CHECK(!kill_cgroup(record));
}

TEST_CASE("what an earlier life left is taken over", "[jail]") {
    CgroupLimits limits;
    limits.pids = 20;
    auto earlier = live_group(limits);
    if (!earlier) return;
    auto child = spawn_in(*earlier, shell("sleep 1000"));
    const auto later = live_group(limits);
    REQUIRE(later);
    CHECK(later->record().directories == earlier->record().directories);
    CHECK(child.wait(10'000).has_value());
    CHECK(!fs::exists(later->record().directories.front() / "process"));
}

TEST_CASE("all or nothing leaves nothing", "[jail]") {
    CgroupLimits limits;
    limits.pids = 20;
    limits.io_read = 1000;
    limits.io_devices = {makedev(0, 1)};  // not a disk
    CHECK_THROWS_WITH(Cgroup::make(own_cgroup_places(), live_name(), limits, CgroupMode::Require),
                      Catch::Contains(": unlimited: "));
    for (const auto& [controller, directory] : own_cgroup_places().v1)
        CHECK(!fs::exists(directory / live_name()));
    CHECK(!fs::exists(own_cgroup_places().v2 / live_name()));
}
