// SPDX-License-Identifier: GPL-3.0-or-later
// What check() leaves in the VM; what it says is in tests/golden/check.
#include "config/check.hpp"

#include <fmt/format.h>

#include "config/document.hpp"
#include "config/lower.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using namespace qvm::config;

namespace {

Vm checked(const std::string& text, Diagnostics& diagnostics) {
    Vm vm =
        lower(load({{"vm.toml", "/vm/vm.toml", "defaults = false\n" + text}}, {}, diagnostics), diagnostics);
    check(vm, test::saved_qemu(), diagnostics);
    return vm;
}

Vm checked(const std::string& text) {
    Diagnostics diagnostics;
    Vm vm = checked(text, diagnostics);
    INFO(diagnostics.to_text(false));
    CHECK(diagnostics.size() == 0);
    return vm;
}

std::vector<std::string> order(const Vm& vm) {
    std::vector<std::string> ids;
    for (const Resource& r : vm.resources) ids.push_back(r.id.to_string());
    return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("arguments are typed as QEMU wants them, without the id") {
    const Vm vm = checked(R"(
        [object.mem]
        qom-type = "memory-backend-ram"
        size = "512M"
        [blockdev.n]
        driver = "null-co"
        size = "1G"
        [device.d]
        driver = "virtio-blk-pci"
        drive = "n"
        write-cache = true
        discard_granularity = "64K"
        share-rw = "on"
        [netdev.h]
        type = "hubport"
        hubid = "1"
        [device.x]
        driver = "virtio-net-pci"
        netdev = "h"
        [chardev.c]
        backend = { type = "null" }
    )");
    const auto arguments = [&](Kind kind, const char* id) { return vm.find({kind, id})->arguments.dump(); };
    CHECK(arguments(Kind::Object, "mem") == R"({"qom-type":"memory-backend-ram","size":536870912})");
    CHECK(arguments(Kind::Blockdev, "n") == R"({"driver":"null-co","size":1073741824})");
    CHECK(
        arguments(Kind::Device, "d") ==
        R"({"driver":"virtio-blk-pci","drive":"n","write-cache":"on","discard_granularity":65536,"share-rw":true})");
    CHECK(arguments(Kind::Netdev, "h") == R"({"type":"hubport","hubid":1})");
    CHECK(arguments(Kind::Chardev, "c") == R"({"backend":{"type":"null","data":{}}})");
}

TEST_CASE("machine, cpu, globals and options are typed too") {
    const Vm vm = checked(R"(
        machine = { type = "q35", vmport = false, kernel-irqchip = "split", max-ram-below-4g = "1G" }
        cpu = { model = "max", invtsc = true, level = "13" }
        [global."virtio-blk-pci"]
        queue-size = "256"
        [option.boot]
        strict = "on"
        splash-time = "10"
    )");
    CHECK(vm.machine.checked_properties.dump() ==
          R"({"vmport":"off","kernel-irqchip":"split","max-ram-below-4g":1073741824})");
    CHECK(vm.cpu.checked_properties.dump() == R"({"invtsc":true,"level":13})");
    CHECK(vm.globals.at(0).arguments.dump() == R"({"queue-size":256})");
    CHECK(vm.options.at(0).arguments.dump() == R"({"strict":true,"splash-time":10})");
}

TEST_CASE("resources are sorted by what they need, and say what that is") {
    const Vm vm = checked(R"(
        [device.disk]
        driver = "scsi-hd"
        bus = "ctl.0"
        drive = "top"
        [device.ctl]
        driver = "virtio-scsi-pci"
        iothread = "io"
        [blockdev.top]
        driver = "throttle"
        throttle-group = "slow"
        file = "fmt"
        [blockdev.fmt]
        driver = "luks"
        key-secret = "key"
        file = { driver = "null-co" }
        [object.slow]
        qom-type = "throttle-group"
        [object.key]
        qom-type = "secret"
        data = "x"
        [object.io]
        qom-type = "iothread"
    )");
    CHECK(order(vm) == Ids{"object.slow", "object.key", "blockdev.fmt", "blockdev.top", "object.io",
                           "device.ctl", "device.disk"});
    const auto& references = vm.find({Kind::Device, "disk"})->references;
    REQUIRE(references.size() == 2);
    CHECK(references[0].target == ResourceId{Kind::Blockdev, "top"});
    CHECK(references[0].member == Ids{"drive"});
    CHECK(references[1].target == ResourceId{Kind::Device, "ctl"});
    CHECK(references[0].origin.line == 6);
}

TEST_CASE("a node inside another stands for the resource it is in") {
    const Vm vm = checked(R"(
        [device.d]
        driver = "virtio-blk-pci"
        drive = "inner"
        [blockdev.outer]
        driver = "raw"
        file = { driver = "null-co", node-name = "inner" }
    )");
    CHECK(order(vm) == Ids{"blockdev.outer", "device.d"});
    CHECK(vm.find({Kind::Device, "d"})->references.at(0).target == ResourceId{Kind::Blockdev, "outer"});
}

TEST_CASE("objects may be named by their path") {
    const Vm vm = checked(R"(
        [machine]
        type = "q35"
        memory-backend = "/objects/ram"
        [object.ram]
        qom-type = "memory-backend-ram"
        size = "512M"
    )");
    CHECK(vm.machine.checked_properties["memory-backend"] == "/objects/ram");
}

TEST_CASE("checking twice says and leaves the same") {
    Diagnostics first, second;
    Vm vm = checked(
        "[device.a]\ndriver = 'virtio-rng-pci'\nrng = 'r'\n[object.r]\nqom-type = 'rng-builtin'\n", first);
    const auto before = order(vm);
    check(vm, test::saved_qemu(), second);
    CHECK(first.size() == second.size());
    CHECK(order(vm) == before);
    CHECK(vm.find({Kind::Device, "a"})->references.size() == 1);
}

TEST_CASE("the types whose properties are needed are named once, known ones only") {
    Diagnostics diagnostics;
    const Vm vm = checked(R"(
        cpu = "qemu64"
        [device.a]
        driver = "virtio-rng-pci"
        [device.b]
        driver = "virtio-rng-pci"
        [device.c]
        driver = "no-such-device"
        [global."e1000"]
        rombar = 0
    )",
                          diagnostics);
    CHECK(types_needed(vm, test::saved_qemu()) ==
          Ids{"e1000", "pc-q35-7.2-machine", "qemu64-x86_64-cpu", "virtio-rng-pci"});
}

TEST_CASE("without anybody's properties a device passes as it is") {
    Diagnostics diagnostics;
    auto saved = test::saved_qemu().to_json();
    saved["properties"] = Json::object();
    const auto qemu = qapi::Capabilities::from_json(saved);
    Vm vm = lower(load({{"vm.toml", "/vm/vm.toml",
                         "defaults = false\n[device.a]\ndriver = 'virtio-rng-pci'\nwhatever = 'x'\n"}},
                       {}, diagnostics),
                  diagnostics);
    check(vm, qemu, diagnostics);
    CHECK(diagnostics.size() == 0);
    CHECK(vm.find({Kind::Device, "a"})->arguments.dump() == R"({"driver":"virtio-rng-pci","whatever":"x"})");
}

TEST_CASE("capabilities that are empty crash nothing") {
    Diagnostics diagnostics;
    Vm vm = lower(load({{"vm.toml", "/vm/vm.toml",
                         "[disk.a]\nfile = 'a.raw'\n[net.b]\ntype = 'user'\n[option.rtc]\nbase = 'utc'\n"}},
                       {}, diagnostics),
                  diagnostics);
    check(vm, qapi::Capabilities(), diagnostics);
    CHECK(diagnostics.has_errors());
}
