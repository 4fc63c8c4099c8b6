// SPDX-License-Identifier: GPL-3.0-or-later
// From [limits] to what the jail is told, and back to what users read.
#include "launch/limits.hpp"

#include <fstream>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;
namespace fs = std::filesystem;

namespace {

config::Resource iothread(const std::string& id) {
    config::Resource made;
    made.id = {config::Kind::Object, id};
    config::Table table;
    table.set("qom-type", {}, {std::string("iothread"), {}});
    made.properties = {std::move(table), {}};
    return made;
}

Step opens(const fs::path& path) {
    return {HostStep{path.string(), OpenFile{.path = path}}, {}, {}};
}

void put(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
}

}  // namespace

TEST_CASE("without [limits] only pids are limited, by what the VM may need") {
    config::Vm vm;
    Plan plan;
    const auto least = group_limits(vm, plan);
    CHECK(!least.memory);
    CHECK(!least.cpu);
    CHECK(!least.io_read);
    CHECK(least.io_devices.empty());
    REQUIRE(least.pids);
    vm.smp.maxcpus += 7;
    vm.resources = {iothread("a"), iothread("b")};
    plan.steps.push_back({HostStep{"host.lan", StartProcess{"passt", {"passt"}}}, {}, {}});
    CHECK(*group_limits(vm, plan).pids == *least.pids + 7 + 2 * 65 + 16);
}

TEST_CASE("what the file limits is handed on") {
    config::Vm vm;
    vm.limits.memory = {1 << 30, {}};
    vm.limits.cpu = {1500, {}};
    vm.limits.pids = {77, {}};
    const auto limits = group_limits(vm, {});
    CHECK(limits.memory == 1U << 30U);
    CHECK(limits.cpu == 1500U);
    CHECK(limits.pids == 77U);
}

TEST_CASE("each disk that holds files of the plan is limited once") {
    const test::TemporaryDirectory directory;
    put(directory.path() / "a", "");
    put(directory.path() / "b", "");
    config::Vm vm;
    vm.limits.io_read = {1 << 20, {}};
    Plan plan;
    for (const char* name : {"a", "b", "gone"}) plan.steps.push_back(opens(directory.path() / name));
    plan.steps.push_back(opens("/dev/null"));
    const auto limits = group_limits(vm, plan);
    if (limits.io_devices.empty()) {
        WARN("skipped: the temporary directory is on no disk");
        return;
    }
    CHECK(limits.io_devices.size() == 1);
    // The disk of an image that is made later is known, too; that of a file that will not be there is not.
    Plan none, made;
    none.steps.push_back(opens(directory.path() / "gone"));
    made.steps.push_back({HostStep{"x", OpenFile{.path = directory.path() / "disks/new.raw",
                                                 .create = NewImage{.format = "raw", .size = 512}}},
                          {},
                          {}});
    CHECK(group_limits(vm, none).io_devices.empty());
    CHECK(group_limits(vm, made).io_devices.size() == 1);
    vm.limits.io_read.reset();
    CHECK(group_limits(vm, plan).io_devices.empty());
}

TEST_CASE("limits as users read them") {
    const test::TemporaryDirectory directory;
    const auto group = directory.path() / "vm";
    put(group / "memory.max", "805306368\n");
    put(group / "cpu.max", "150000 100000\n");
    put(group / "pids.max", "300\n");
    put(group / "io.max", "8:0 rbps=104857600 wbps=1000 riops=max wiops=max\n");
    const jail::CgroupRecord record{.version = 2, .directories = {group}, .missing = {"swap: no"}};
    CHECK(describe_limits(record) ==
          "memory 768M, cpu 1.5, pids 300, io read 100M/s, io write 1000/s (cgroup v2)");
    CHECK(limits_json(record) == Json::parse(R"({"cgroup": "v2", "in-force": {"memory": 805306368, "cpu": 1.5,
        "pids": 300, "io": {"read": 104857600, "write": 1000}}, "missing": ["swap: no"]})"));
    CHECK(describe_limits({}) == "none");
    CHECK(limits_json({}) == Json::parse(R"({"cgroup": "none", "in-force": {}, "missing": []})"));
}
