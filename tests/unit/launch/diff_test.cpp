// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/diff.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "halves.hpp"
#include "launch/compile_changes.hpp"
#include "launch/memory_parts.hpp"
#include "launch/processors.hpp"

using namespace qvm;
using namespace qvm::launch;
using test::Half;
using test::half;

namespace {

/// Of a QEMU that was started with -smp 2,maxcpus=4 and has a third one in its place; in its own order.
std::vector<CpuSlot> cpu_slots() {
    return CpuSlot::from_reply(Json::parse(R"([
        {"props": {"core-id": 3, "thread-id": 0, "socket-id": 0}, "vcpus-count": 1, "type": "max-x86_64-cpu"},
        {"props": {"core-id": 2, "thread-id": 0, "socket-id": 0}, "vcpus-count": 1, "type": "max-x86_64-cpu",
         "qom-path": "/machine/peripheral/qvm.cpu2"},
        {"props": {"core-id": 1, "thread-id": 0, "socket-id": 0}, "vcpus-count": 1, "type": "max-x86_64-cpu",
         "qom-path": "/machine/unattached/device[3]"},
        {"props": {"core-id": 0, "thread-id": 0, "socket-id": 0}, "vcpus-count": 1, "type": "max-x86_64-cpu",
         "qom-path": "/machine/unattached/device[0]"}])"));
}

/// "+ device.data", "~ object.io.poll-max-ns", "! memory": the difference in short.
std::vector<std::string> in_short(const Half& running, const Half& wanted) {
    std::vector<std::string> lines;
    for (const auto& change : diff(running.side(), wanted.side(), test::saved_qemu()).changes) {
        constexpr std::array<const char*, 5> symbols{"+", "-", "~", "-/+", "!"};
        auto line = std::string(symbols.at(static_cast<std::size_t>(change.action)));
        if (!change.resource.id.empty()) line += ' ' + change.resource.to_string();
        if (!change.member.empty()) line += (change.resource.id.empty() ? " " : ".") + change.member;
        lines.push_back(std::move(line));
    }
    return lines;
}

/// "+ device.data", "~ object.io.poll-max-ns", "! memory": the difference in short.
std::vector<std::string> in_short(const std::string& before, const std::string& after) {
    const Half running = half(before);
    return in_short(running, half(after, &running));
}

using Lines = std::vector<std::string>;

/// "open X", then the operations of each part in short.
Lines operations(const std::string& before, const std::string& after, bool replug = false,
                 const ObservedFdsets& fdsets = {}) {
    const Half running = half(before);
    const Half wanted = half(after, &running);
    const auto difference = diff(running.side(), wanted.side(), test::saved_qemu());
    const auto plan =
        compile_changes(running.side(), wanted.side(), difference, test::saved_qemu(), fdsets, replug);
    Lines lines;
    for (const auto& step : plan.host) lines.push_back("open " + step.name);
    const auto add = [&](const char* part, const std::vector<Operation>& list) {
        if (!list.empty()) lines.emplace_back(part);
        for (const auto& operation : list) lines.push_back(operation.title());
    };
    add("additions:", plan.operations.additions);
    add("changes:", plan.operations.changes);
    add("removals:", plan.operations.removals);
    add("replugs:", plan.operations.replugs);
    return lines;
}

const std::string disk = "[disk.a]\nfile = \"/srv/a.raw\"\n";
const std::string scsi_disk = "[disk.a]\nfile = \"/srv/a.raw\"\nbus = \"scsi\"\n";

}  // namespace

TEST_CASE("a file against itself is no difference") {
    for (const std::string& text :
         {std::string(), disk, scsi_disk, disk + "[cdrom.c]\nfile = \"/srv/c.iso\"\n",
          std::string("[net.lan]\ntype = \"user\"\n"), std::string("cpus = 4\nmemory = \"2G\"\n")})
        CHECK(in_short(text, text) == Lines{});
}

TEST_CASE("what is new is added in its order, what is gone removed in reverse") {
    CHECK(in_short("", disk) == Lines{"+ blockdev.a", "+ device.a"});
    CHECK(in_short(disk, "") == Lines{"- device.a", "- blockdev.a"});
}

TEST_CASE("a new device takes no other's place, and nothing moves") {
    const Half running = half(disk + "[disk.b]\nfile = \"/srv/b.raw\"\n");
    const Half wanted =
        half("[disk.z]\nfile = \"/srv/z.raw\"\n[disk.b]\nfile = \"/srv/b.raw\"\n" + disk, &running);
    const auto place = [](const Half& h, const char* id) {
        return h.vm.find({config::Kind::Device, id})->arguments.at("bus").get<std::string>();
    };
    CHECK(place(wanted, "a") == place(running, "a"));
    CHECK(place(wanted, "b") == place(running, "b"));
    CHECK(place(wanted, "z") != place(wanted, "rng0"));
}

TEST_CASE("a new device does not take the port of one that has yet to go") {
    const auto bus = [](const Half& h, const char* id) {
        return h.vm.find({config::Kind::Device, id})->arguments.at("bus").get<std::string>();
    };
    const Half running = half(disk);
    const Half wanted = half("[disk.b]\nfile = \"/srv/b.raw\"\n", &running);
    CHECK(bus(wanted, "b") != bus(running, "a"));
    // The same device with another driver goes before it comes again.
    const Half replugged = half("[net.a]\ntype = \"none\"\n", &running);
    CHECK(bus(replugged, "a") == bus(running, "a"));
}

TEST_CASE("neither table nor JSON has the text of a secret") {
    const auto secret = [](const std::string& text) {
        return half("[object.pw]\nqom-type = \"secret\"\ndata = \"" + text + "\"\n");
    };
    const Half none = half(""), one = secret("hunter1"), two = secret("hunter2");
    for (const auto& [before, after] : {std::pair{&none, &one}, {&one, &two}, {&two, &none}}) {
        const auto difference = diff(before->side(), after->side(), test::saved_qemu());
        CHECK_FALSE(difference.empty());
        CHECK(to_text(difference).find("hunter") == std::string::npos);
        CHECK(to_json(difference).dump().find("hunter") == std::string::npos);
        CHECK(to_json(difference).dump().find("<secret>") != std::string::npos);
    }
}

TEST_CASE("a setting that takes a new QEMU waits for the next start") {
    CHECK(in_short("memory = \"1G\"\n", "memory = \"2G\"\n") == Lines{"! memory.size"});
    CHECK(in_short("", "cpu.model = \"qemu64\"\n") == Lines{"! cpu.model"});
    CHECK(in_short("", "hotplug.pcie-ports = 9\n") == Lines{"! hotplug.pcie-ports"});
    CHECK(in_short("", "lifecycle.stop-timeout = \"3s\"\n") == Lines{"~ lifecycle.stop-timeout"});
    CHECK(in_short("", "lifecycle.on-reboot = \"stop\"\n") == Lines{"~ lifecycle.on-reboot"});
    CHECK(in_short("", "lifecycle.on-reboot = \"restart\"\n") == Lines{"! lifecycle.on-reboot"});
}

TEST_CASE("members that QEMU sets while it runs change in place") {
    CHECK(in_short("[iothread.io]\n", "[iothread.io]\npoll-max-ns = 5\n") ==
          Lines{"~ object.io.poll-max-ns"});
    CHECK(in_short(disk, disk + "boot = 1\n") == Lines{"~ device.a.bootindex"});
    CHECK(in_short("[net.lan]\ntype = \"none\"\n", "[net.lan]\ntype = \"none\"\nlink = false\n") ==
          Lines{"~ device.lan.link"});
}

TEST_CASE("what changes otherwise goes and comes with all that stands on it") {
    CHECK(in_short(disk, "[disk.a]\nfile = \"/srv/b.raw\"\n") == Lines{"-/+ blockdev.a", "-/+ device.a"});
    CHECK(in_short(disk, disk + "serial = \"X\"\n") == Lines{"-/+ device.a"});
    // What no device stands on may go and come as it likes.
    CHECK(in_short("[iothread.io]\npoll-max-ns = 5\n", "[iothread.io]\n") == Lines{"~ object.io"});
}

TEST_CASE("what cannot be unplugged waits for the next start, with what it needs") {
    const auto ide = [](const char* file) {
        return fmt::format("[disk.a]\nfile = \"/srv/{}\"\nbus = \"sata\"\n", file);
    };
    CHECK(in_short(ide("a.raw"), ide("b.raw")) == Lines{"! blockdev.a", "! device.a"});
    CHECK(in_short(ide("a.raw"), "") == Lines{"! device.a", "! blockdev.a"});
    CHECK(in_short("", ide("a.raw")) == Lines{"! blockdev.a", "! device.a"});
}

TEST_CASE("a device of the host's comes with the next start, for which it takes no port before") {
    const std::string gpu = "[host-device.gpu]\npci = \"0000:41:00.0\"\n";
    CHECK(in_short("", gpu) == Lines{"! device.gpu"});
    CHECK(in_short(gpu, "") == Lines{"- device.gpu"});
    const std::string no_spare = "hotplug.pcie-ports = 0\n", off = "jail.mode = \"off\"\n";
    CHECK(in_short(no_spare, no_spare + gpu) == Lines{"! device.gpu"});
    CHECK(in_short(off, off + gpu) == Lines{"+ device.gpu"});
}

TEST_CASE("a TPM whose process has ended waits for the next start") {
    const std::string tpm = "tpm = true\n";
    const Half running = half(tpm), wanted = half(tpm, &running);
    Side side = running.side();
    for (const auto& resource : running.vm.resources)
        if (resource.driver() == "process") side.broken = {{resource.id, "its process has ended"}};
    REQUIRE(side.broken.size() == 1);
    const auto changes = diff(side, wanted.side(), test::saved_qemu()).changes;
    REQUIRE_FALSE(changes.empty());
    CHECK(std::ranges::all_of(changes, [](const auto& c) { return c.action == Action::NextStart; }));
}

TEST_CASE("a USB device of the host's comes and goes where the jail has a way for it") {
    const std::string stick = "[host-device.stick]\nusb = \"3-1\"\n", hotplug = "hotplug.usb = true\n";
    CHECK(in_short(hotplug, hotplug + stick) == Lines{"+ device.usb0", "+ host.stick", "+ device.stick"});
    CHECK(in_short(stick, "") == Lines{"- device.stick", "- host.stick", "- device.usb0"});
    const auto other = "[host-device.key]\nusb = \"046d:c52b\"\n";
    CHECK(in_short(stick, stick + other) == Lines{"+ host.key", "+ device.key"});
    CHECK(in_short("", stick) == Lines{"! device.usb0", "! host.stick", "! device.stick"});
    // Unplugged from the host, and put back.
    const Half running = half(stick), wanted = half(stick, &running);
    Side side = running.side();
    side.broken = {{{config::Kind::Host, "stick"}, "it was unplugged from the host"}};
    const auto again = diff(side, wanted.side(), test::saved_qemu());
    REQUIRE(again.changes.size() == 2);
    CHECK(again.changes[0].why == "it was unplugged from the host");
    CHECK(again.changes[1].action == Action::Replug);
    const std::string off = "jail.mode = \"off\"\n";
    CHECK(in_short(off, off + stick) == Lines{"+ device.usb0", "+ host.stick", "+ device.stick"});
}

TEST_CASE("a medium is exchanged in place, under the same name too") {
    const auto cd = [](const char* file) {
        return fmt::format("[cdrom.c]\nbus = \"scsi\"\nfile = \"/srv/{}\"\n", file);
    };
    CHECK(in_short(cd("a.iso"), cd("b.iso")) == Lines{"~ blockdev.c", "~ device.c.drive"});
    CHECK(operations(cd("a.iso"), cd("b.iso")) ==
          Lines{"open blockdev.c.file.filename", "changes:", "blockdev-open-tray device.c",
                "blockdev-remove-medium device.c", "blockdev-del blockdev.c", "add-fd blockdev.c",
                "blockdev-add blockdev.c", "blockdev-insert-medium device.c",
                "blockdev-close-tray device.c"});
}

TEST_CASE("operations: descriptors have numbers and names of their own") {
    ObservedFdsets fdsets = ObservedFdsets::from_reply(Json::parse(
        R"([{"fdset-id": 3, "fds": [{"fd": 5, "opaque": "blockdev.a.file.filename"}]},
            {"fdset-id": 100001, "fds": [{"fd": 9, "opaque": "of a client"}]}])"));
    CHECK(fdsets.next == 4);
    CHECK(operations("", disk, false, fdsets) == Lines{"open blockdev.a.file.filename",
                                                       "additions:", "add-fd blockdev.a",
                                                       "blockdev-add blockdev.a", "device_add device.a"});
    CHECK(operations(disk, "", false, fdsets) ==
          Lines{"removals:", "device_del device.a", "blockdev-del blockdev.a", "remove-fd blockdev.a"});
}

TEST_CASE("operations: a place in the boot order is given back before it is taken") {
    const std::string before = disk + "boot = 1\n";
    const std::string after = disk + "boot = 2\n[disk.b]\nfile = \"/srv/b.raw\"\nboot = 1\n";
    CHECK(operations(before, after) ==
          Lines{"open blockdev.b.file.filename", "additions:", "qom-set bootindex of device.a",
                "add-fd blockdev.b", "blockdev-add blockdev.b", "device_add device.b",
                "changes:", "qom-set bootindex of device.a"});
}

TEST_CASE("operations: replugs only when asked for") {
    CHECK(operations(disk, disk + "serial = \"X\"\n") == Lines{});
    CHECK(operations(disk, disk + "serial = \"X\"\n", true) ==
          Lines{"replugs:", "device_del device.a", "device_add device.a"});
}

TEST_CASE("a disk grows in place, last of all, and nothing undoes that") {
    const auto sized = [](const char* size) { return disk + fmt::format("size = \"{}\"\n", size); };
    CHECK(in_short(disk, sized("2G")) == Lines{"~ blockdev.a.size"});
    CHECK(in_short(sized("2G"), sized("2G")) == Lines{});
    const std::string more =
        sized("2G") + "[disk.b]\nfile = \"/srv/b.raw\"\nsize = \"1G\"\n[attach]\nallow = \"all\"\n";
    CHECK(operations(sized("1G"), more) == Lines{"open blockdev.b.file.filename",
                                                 "additions:", "add-fd blockdev.b", "blockdev-add blockdev.b",
                                                 "device_add device.b", "changes:", "settings",
                                                 "block_resize blockdev.b", "block_resize blockdev.a"});
    // What is not said any more changes nothing but the record.
    CHECK(operations(sized("1G"), disk) == Lines{"changes:", "settings blockdev.a"});
    // A new image grows when it has come, not the old one.
    const std::string other = "[disk.a]\nfile = \"/srv/b.raw\"\nsize = \"2G\"\n";
    CHECK(operations(disk, other) == Lines{});
    const auto again = operations(disk, other, true);
    CHECK(again.back() == "block_resize blockdev.a");
    CHECK(std::ranges::find(again, "changes:") == again.end());
}

TEST_CASE("a block node that keeps its descriptor is reopened with other options") {
    const std::string plain = disk + "cache = \"writeback\"\n";
    const std::string other = disk + "cache = \"unsafe\"\ndiscard = true\n";
    CHECK(in_short(plain, other) == Lines{"~ blockdev.a.cache", "~ blockdev.a.discard"});
    CHECK(operations(plain, other) == Lines{"changes:", "blockdev-reopen blockdev.a"});
    // O_DIRECT takes another descriptor, and what the guest sees of the cache another device.
    CHECK(in_short(plain, disk + "cache = \"none\"\n") == Lines{"-/+ blockdev.a", "-/+ device.a"});
    CHECK(in_short(plain, disk + "cache = \"writethrough\"\n") == Lines{"-/+ device.a"});
    CHECK(in_short(disk, disk + "read-only = true\n") == Lines{"-/+ blockdev.a", "-/+ device.a"});

    const Half running = half(plain);
    const Half wanted = half(other, &running);
    ObservedFdsets fdsets;
    fdsets.by_name["blockdev.a.file.filename"] = 7;
    const auto plan = compile_changes(running.side(), wanted.side(),
                                      diff(running.side(), wanted.side(), test::saved_qemu()),
                                      test::saved_qemu(), fdsets, false);
    REQUIRE(plan.operations.changes.size() == 1);
    const auto& reopen = plan.operations.changes[0];
    CHECK(reopen.arguments.at("options").at(0) == Json::parse(R"({"driver": "raw",
        "file": {"driver": "file", "node-name": "a.file", "filename": "/dev/fdset/7"}, "discard": "unmap",
        "cache": {"direct": false, "no-flush": true}, "node-name": "a"})"));
    CHECK_FALSE(reopen.undo.at(0).arguments.at("options").at(0).contains("discard"));
}

TEST_CASE("a throttle comes over a disk, changes and goes while the disk is in use") {
    const std::string gold = "throttle.gold.iops.total = 100\n",
                      silver = "throttle.silver.bytes.read = \"1M\"\n";
    const auto under = [](const std::string& group) { return disk + "throttle = \"" + group + "\"\n"; };
    CHECK(in_short(disk, gold + under("gold")) ==
          Lines{"+ object.gold", "+ blockdev.a.thr", "~ device.a.drive"});
    CHECK(in_short(gold + under("gold"), "throttle.gold.iops.total = 50\n" + under("gold")) ==
          Lines{"~ object.gold.limits"});
    CHECK(in_short(gold + under("gold"), silver + under("silver")) ==
          Lines{"+ object.silver", "~ blockdev.a.thr.throttle-group", "- object.gold"});
    CHECK(in_short(gold + under("gold"), disk) ==
          Lines{"~ device.a.drive", "- blockdev.a.thr", "- object.gold"});
    // The disk grows through it.
    CHECK(operations(gold + under("gold"), gold + under("gold") + "size = \"2G\"\n") ==
          Lines{"changes:", "block_resize blockdev.a.thr"});
}

TEST_CASE("a secret is read when it is sent, and named until then") {
    REQUIRE(setenv("QVM_TEST_SECRET", "hunter2", 1) == 0);
    const Half running = half("");
    const Half wanted = half("secret.vault.env = \"QVM_TEST_SECRET\"\n", &running);
    const auto plan = compile_changes(running.side(), wanted.side(),
                                      diff(running.side(), wanted.side(), test::saved_qemu()),
                                      test::saved_qemu(), {}, false);
    REQUIRE(plan.host.size() == 1);
    CHECK(plan.host[0].name == "object.vault.data");
    const auto& sent = plan.operations.additions.back();
    CHECK(sent.fd == "object.vault.data");
    CHECK(sent.arguments.at("data") == "@vault.secret");
    CHECK(plan.operations.to_json().dump().find("hunter") == std::string::npos);
    // Taken away and needed again, it is read again.
    const auto back = compile_changes(wanted.side(), running.side(),
                                      diff(wanted.side(), running.side(), test::saved_qemu()),
                                      test::saved_qemu(), {}, false);
    CHECK(back.operations.removals.size() == 2);
}

TEST_CASE("a serial line gets another end, where its device bears that") {
    const auto serial = [](const char* driver, const char* file) {
        return fmt::format(
            "[chardev.log]\nbackend = {{ type = \"file\", data = {{ out = \"/srv/{}\" }} }}\n"
            "[device.log]\ndriver = \"{}\"\nchardev = \"log\"\n",
            file, driver);
    };
    CHECK(in_short(serial("isa-serial", "a"), serial("isa-serial", "b")) == Lines{"~ chardev.log.backend"});
    ObservedFdsets fdsets;
    fdsets.by_name["chardev.log.backend.data.out"] = 2;
    fdsets.next = 3;
    CHECK(operations(serial("isa-serial", "a"), serial("isa-serial", "b"), false, fdsets) ==
          Lines{"open chardev.log.backend.data.out", "changes:", "add-fd chardev.log",
                "chardev-change chardev.log", "removals:", "remove-fd chardev.log"});
    CHECK(in_short(serial("usb-serial", "a"), serial("usb-serial", "b")) ==
          Lines{"-/+ chardev.log", "-/+ device.log"});
}

TEST_CASE("limits change where the VM's cgroup has them") {
    const auto limited = [](const char* memory, double cpu) {
        return fmt::format("[limits]\nmemory = \"{}\"\ncpu = {}\n", memory, cpu);
    };
    const Half running = half(limited("1G", 2));
    const Half wanted = half(limited("2G", 1), &running);
    Side before = running.side();
    const auto changes = [&] { return diff(before, wanted.side(), test::saved_qemu()); };
    CHECK_FALSE(changes().has_live(true));
    CHECK(changes().changes[0].why == "it has no cgroup");
    before.limits = {"memory", "pids"};
    CHECK(changes().changes[0].action == Action::InPlace);
    CHECK(changes().changes[1].why == "its cgroup was made without limits of cpu");
    before.limits = {"memory", "cpu"};
    LimitsChange limits;
    limits.now.memory = 1U << 30U;
    limits.now.cpu = 2000;
    limits.wanted.memory = 2U << 30U;
    limits.wanted.cpu = 1000;
    const auto plan =
        compile_changes(before, wanted.side(), changes(), test::saved_qemu(), {}, false, limits).operations;
    REQUIRE(plan.additions.size() == 1);
    CHECK(plan.changes.empty());
    REQUIRE(plan.removals.size() == 1);
    CHECK(plan.additions[0].arguments.at("to").at("memory") == (2U << 30U));
    CHECK(plan.additions[0].arguments.at("to").at("cpu") == 2000);
    CHECK(plan.removals[0].arguments.at("to").at("cpu") == 1000);
    CHECK(plan.removals[0].record.settings.find("memory = \"2G\"\ncpu = 1") != std::string::npos);
}

TEST_CASE("other hooks wait for the next start, whose spawner has them") {
    CHECK(in_short("lifecycle.hooks.started = [\"a\"]\n", "lifecycle.hooks.started = [\"a\", \"b\"]\n") ==
          Lines{"! lifecycle.hooks.started"});
    CHECK(in_short("", "lifecycle.hooks.stopped = [\"a\"]\n") == Lines{"! lifecycle.hooks.stopped"});
}

TEST_CASE("the limits nobody gave a number follow what is added") {
    const auto planned = [](const std::string& more, const LimitsChange& limits) {
        const Half running = half(more);
        const Half wanted = half(more + "[iothread.x]\n", &running);
        const auto difference = diff(running.side(), wanted.side(), test::saved_qemu());
        return compile_changes(running.side(), wanted.side(), difference, test::saved_qemu(), {}, false,
                               limits)
            .operations;
    };
    LimitsChange limits;
    limits.now.pids = 300;
    limits.wanted.pids = 365;
    auto plan = planned("", limits);
    REQUIRE(plan.additions.size() == 2);
    CHECK(plan.additions[0].kind == Operation::Kind::Limits);
    CHECK(plan.additions[0].arguments.at("to").at("pids") == 365);
    CHECK(plan.additions[0].undo.at(0).arguments.at("to").at("pids") == 300);
    CHECK(plan.removals.empty());
    limits.wanted.pids = 235;
    plan = planned("", limits);
    CHECK(plan.additions.size() == 1);
    REQUIRE(plan.removals.size() == 1);
    CHECK(plan.removals[0].arguments.at("to").at("pids") == 235);
    CHECK(plan.removals[0].record.empty());
    // A number of the file's stays, and so does what the cgroup has not.
    CHECK(planned("limits.pids = 300\n", limits).removals.empty());
    limits.now.pids = {};
    CHECK(planned("", limits).removals.empty());
    limits = {};
    limits.now.io_read = limits.wanted.io_read = 5;
    limits.now.io_devices = {1, 2};
    limits.wanted.io_devices = {3, 1};
    plan = planned("limits.io.read = \"4K\"\n", limits);
    REQUIRE(plan.additions.size() == 2);
    CHECK(plan.additions[0].arguments.at("to").at("io-devices") == Json::array({1, 2, 3}));
    CHECK(plan.removals.empty());
    limits.wanted.io_devices = {1};
    CHECK(planned("limits.io.read = \"4K\"\n", limits).additions.size() == 1);
}

TEST_CASE("operations survive the way to the supervisor") {
    const Half running = half(disk);
    const Half wanted = half("[disk.b]\nfile = \"/srv/b.raw\"\n[net.lan]\ntype = \"user\"\n", &running);
    const auto difference = diff(running.side(), wanted.side(), test::saved_qemu());
    const auto plan =
        compile_changes(running.side(), wanted.side(), difference, test::saved_qemu(), {}, false);
    const Json sent = plan.operations.to_json();
    CHECK(Operations::from_json(sent).to_json() == sent);
    CHECK(sent.at("additions").size() > 4);
    CHECK_THROWS_AS(Operation::from_json(Json::parse(R"({"do": "nothing that is known"})")), Json::exception);
}

TEST_CASE("a socket on which QEMU listens is not bound a second time") {
    const auto serial = [](const char* path, const char* more) {
        return fmt::format(
            "[host.line]\nkind = \"socket\"\nmode = \"listen\"\npath = \"/run/{}\"\n"
            "[chardev.log]\nbackend = {{ type = \"socket\", data = {{ addr = {{ type = \"fd\", data = {{ str "
            "= "
            "\"@line\" }} }}, server = true, wait = false{} }} }}\n"
            "[device.log]\ndriver = \"isa-serial\"\nchardev = \"log\"\n",
            path, more);
    };
    CHECK(in_short(serial("a", ""), serial("a", ", telnet = true")) == Lines{"! chardev.log"});
    CHECK(in_short(serial("a", ""), serial("a", "")) == Lines{});
}

TEST_CASE("what runs is read back from its parts") {
    Compiled parts = half(disk).parts;
    CHECK(Compiled::from_json(parts.to_json()) == parts);
    parts.erase("device.a");
    parts.set({"blockdev.a", "disk.a", "x"});
    CHECK(parts.text().ends_with("x") == (parts.resources.back().id == "blockdev.a"));
    CHECK(std::ranges::find(parts.resources, "device.a", &CompiledResource::id) == parts.resources.end());
}

TEST_CASE("processors above those of the start are devices, in the places that are free") {
    const auto cpus = [](int count) { return fmt::format("cpus = {{ count = {}, max = 4 }}\n", count); };
    const Half booted = half(cpus(2));
    Half three = half(cpus(3), &booted, cpu_slots());
    // The next place is taken, so it is the one after that.
    CHECK(in_short(booted, three) == Lines{"+ device.qvm.cpu2"});
    CHECK(three.vm.find({config::Kind::Device, "qvm.cpu2"})->arguments ==
          Json::parse(R"({"driver": "max-x86_64-cpu", "core-id": 3, "thread-id": 0, "socket-id": 0})"));
    CHECK(three.vm.smp.cpus == 2);
    CHECK(in_short(three, half(cpus(3), &three, cpu_slots())) == Lines{});
    CHECK(in_short(three, half(cpus(2), &three, cpu_slots())) == Lines{"- device.qvm.cpu2"});
    CHECK(in_short(three, half(cpus(1), &three, cpu_slots())) == Lines{"! cpus.count", "- device.qvm.cpu2"});
    CHECK(in_short(booted, half(cpus(1), &booted, cpu_slots())) == Lines{"! cpus.count"});
}

TEST_CASE("a processor stays with TCG where QEMU does not survive its going") {
    const Half three = [] {
        const Half booted = half("cpus = { count = 2, max = 4 }\n");
        return half("cpus = { count = 3, max = 4 }\n", &booted, cpu_slots());
    }();
    const Half two = half("cpus = { count = 2, max = 4 }\n", &three, cpu_slots());
    Side running = three.side();
    running.accel = "tcg";
    const auto difference = diff(running, two.side(), test::saved_qemu());
    REQUIRE(difference.changes.size() == 1);
    CHECK(difference.changes[0].action == Action::NextStart);
    CHECK(difference.changes[0].why.starts_with("with tcg"));
}

TEST_CASE("processors for which there is no place wait for the next start") {
    const Half booted = half("cpus = { count = 2, max = 4 }\n");
    const Half more = half("cpus = { count = 6, max = 8 }\n", &booted, cpu_slots());
    CHECK(in_short(booted, more) == Lines{"! cpus.count", "! cpus.cores", "! cpus.max", "+ device.qvm.cpu2"});
    // TCG has none left for it, whatever QEMU says.
    Half again = half("cpus = { count = 3, max = 4 }\n");
    CHECK(place_processors(again.vm, booted.vm, {cpu_slots(), 0}).starts_with("with tcg"));
    CHECK(again.vm.smp.cpus == 3);
    // Nobody asked QEMU.
    CHECK(in_short(booted, half("cpus = { count = 3, max = 4 }\n", &booted)) == Lines{"! cpus.count"});
}

TEST_CASE("memory above that of the start is what its device gives") {
    const auto memory = [](const char* size, const char* max = "4G") {
        return fmt::format("memory = {{ size = '{}', max = '{}', share = true }}\n", size, max);
    };
    const std::uint64_t gibibyte = std::uint64_t{1} << 30U;
    const auto given = [](const Half& half) {
        return half.vm.find({config::Kind::Device, "memory.hot"})->arguments.at("requested-size");
    };
    const Half booted = half(memory("1G"));
    CHECK(given(booted) == 0);
    const Half more = half(memory("3G"), &booted);
    CHECK(in_short(booted, more) == Lines{"~ device.memory.hot.requested-size"});
    CHECK(given(more) == 2 * gibibyte);
    CHECK(more.vm.memory.value == gibibyte);
    CHECK(in_short(more, half(memory("3G"), &more)) == Lines{});
    CHECK(in_short(more, half(memory("1G"), &more)) == Lines{"~ device.memory.hot.requested-size"});

    const Half all = half(memory("4G"), &more);
    CHECK(in_short(more, all) == Lines{"~ device.memory.hot.requested-size"});
    CHECK(given(all) == 3 * gibibyte);

    // It cannot give what the machine was started with, nor more than it has room for.
    const Half less = half(memory("512M"), &more);
    CHECK(in_short(more, less) ==
          Lines{"! memory.size", "! object.memory.boot", "~ device.memory.hot.requested-size"});
    CHECK(given(less) == 0);
    const Half much = half(memory("6G", "8G"), &booted);
    CHECK(in_short(booted, much) == Lines{"! memory.size", "! memory.max", "! object.memory.boot",
                                          "~ device.memory.hot.requested-size"});
    CHECK(given(much) == 3 * gibibyte);
    Half wanted = half(memory("6G", "8G"));
    CHECK(place_memory(wanted.vm, booted.vm) == "it has room for 4G");
    wanted = half(memory("512M"));
    CHECK(place_memory(wanted.vm, booted.vm) == "it was started with 1G");
}

TEST_CASE("memory comes and goes in DIMMs") {
    const auto memory = [](const char* size, const char* max = "4G") {
        return fmt::format("memory = {{ size = '{}', max = '{}', via = 'dimm', share = true }}\n", size, max);
    };
    const Half booted = half(memory("1G"));
    CHECK(booted.vm.find({config::Kind::Device, "memory.hot"}) == nullptr);
    const Half two = half(memory("2G"), &booted);
    CHECK(in_short(booted, two) == Lines{"+ object.memory.dimm0", "+ device.memory.dimm0"});
    const auto& object = two.vm.find({config::Kind::Object, "memory.dimm0"})->arguments;
    CHECK(object ==
          Json::parse(R"({"qom-type": "memory-backend-memfd", "size": 1073741824, "share": true})"));
    CHECK(in_short(two, half(memory("2G"), &two)) == Lines{});
    const Half more = half(memory("2304M"), &two);
    CHECK(in_short(two, more) == Lines{"+ object.memory.dimm1", "+ device.memory.dimm1"});

    CHECK(in_short(more, half(memory("2G"), &more)) ==
          Lines{"- device.memory.dimm1", "- object.memory.dimm1"});
    CHECK(in_short(more, half(memory("1G"), &more)).size() == 4);
    const Half odd = half(memory("1536M"), &more);
    CHECK(in_short(more, odd) == Lines{"! memory.size", "! object.memory.boot"});
    const auto why = [&](const char* size, const Half& running, const char* max = "4G") {
        Half wanted = half(memory(size, max));
        return place_memory(wanted.vm, running.vm);
    };
    CHECK(why("1536M", more) ==
          "it was started with 1G, and its DIMMs (1G, 256M) go whole, the last one first");
    CHECK(why("1100M", booted) == "a DIMM has a multiple of 128M");
    CHECK(why("6G", two, "8G") == "it has room for 4G, and has 2G");
    // What fills the room was settled when it was started.
    const Half hot = half("memory = { size = '2G', max = '4G', share = true }\n", &more);
    CHECK(in_short(more, hot) == Lines{"! memory.via", "! object.memory.hot", "! device.memory.hot",
                                       "- device.memory.dimm1", "- object.memory.dimm1"});
    CHECK(in_short(half("memory = { size = '1G', max = '4G' }\n"), booted).front() == "! memory.via");
    CHECK(in_short(two, half(memory("3G", "8G"), &two)) ==
          Lines{"! memory.max", "+ object.memory.dimm1", "+ device.memory.dimm1"});
    // With a balloon the count begins anew, before and after; an undo ends as it was.
    const std::string balloon = "balloon = { size = '768M' }\n";
    CHECK(operations(memory("1G") + balloon, memory("2G") + balloon) ==
          Lines{"additions:", "balloon device.balloon0", "object-add object.memory.dimm0",
                "device_add device.memory.dimm0", "changes:", "balloon device.balloon0"});
    CHECK(why("512M", two) == "it was started with 1G");
    Half full = half(memory("1G", "16G"));
    for (const auto* size : {"2G", "3G", "4G", "5G", "6G", "7G", "8G", "9G", "10G", "11G", "12G", "13G",
                             "14G", "15G", "15488M", "15616M"})
        full = half(memory(size, "16G"), &full);
    CHECK(why("16000M", full, "16G") == "all 16 slots for DIMMs are taken");
}

TEST_CASE("what the guest is to keep of its memory changes while it runs") {
    const auto balloon = [](const char* said) { return fmt::format("memory = '1G'\nballoon = {}\n", said); };
    const auto all = balloon("true");
    const auto half_of_it = balloon("{ size = '512M' }");
    CHECK(in_short(all, half_of_it) == Lines{"~ balloon.size"});
    const std::string told = "balloon device.balloon0";
    CHECK(operations(all, half_of_it) == Lines{"changes:", told, "settings"});
    CHECK(operations(half_of_it, all) == Lines{"changes:", told, "settings"});
    // One that comes, or comes again, is told when it is there; with one that goes there is nobody to tell.
    const auto times_told = [&](const Lines& lines) { return std::ranges::count(lines, told); };
    CHECK(times_told(operations("memory = '1G'\n", half_of_it)) == 1);
    CHECK(times_told(operations(half_of_it, "memory = '1G'\n")) == 0);
    CHECK(times_told(operations(half_of_it, balloon("{ size = '256M', deflate-on-oom = true }"), true)) == 1);
    const std::string stop = "[[qmp]]\nexecute = 'stop'\n";
    CHECK(in_short(half_of_it, half_of_it + stop) == Lines{"! qmp"});
    CHECK(in_short(half_of_it, all + stop) == Lines{"~ balloon.size", "! qmp"});
    // QEMU has no more than one.
    const auto other = "memory = '1G'\ndevice.b = { driver = 'virtio-balloon-pci' }\n";
    CHECK(in_short(all, other) == Lines{"! device.b", "- device.balloon0"});
}

TEST_CASE("memory that comes is in node 0, and what is moved between nodes waits for the next start") {
    const auto nodes = [](const char* first, const char* second) {
        return fmt::format(
            "cpus = 2\nmemory.max = '8G'\nnuma.0 = {{ cpus = '0', memory = '{}' }}\nnuma.1 = {{ cpus = '1', "
            "memory = "
            "'{}' }}\n",
            first, second);
    };
    const Half booted = half(nodes("2G", "2G"));
    CHECK(in_short(booted, half(nodes("3G", "2G"), &booted)) == Lines{"~ device.memory.hot.requested-size"});
    for (const auto& [first, second] : {std::pair{"3G", "1G"}, {"2G", "3G"}, {"1G", "3G"}}) {
        INFO(first << ' ' << second);
        const auto lines = in_short(booted, half(nodes(first, second), &booted));
        CHECK(std::ranges::count(lines, "! object.numa1") == 1);
        CHECK(std::ranges::count(lines, "~ device.memory.hot.requested-size") == 0);
        Half wanted = half(nodes(first, second));
        CHECK(place_memory(wanted.vm, booted.vm) == "memory that comes while it runs is in node 0");
    }
}

TEST_CASE("room for memory comes and goes with the machine") {
    const Half without = half("memory = '1G'\n");
    const Half with = half("memory = { size = '1G', max = '2G' }\n");
    CHECK(in_short(without, half("memory = { size = '1G', max = '2G' }\n", &without)) ==
          Lines{"! memory.max", "! object.memory.hot", "! device.memory.hot"});
    CHECK(in_short(with, half("memory = '1G'\n", &with)) ==
          Lines{"! memory.max", "! device.memory.hot", "! object.memory.hot"});
    // What the device stands on is not exchanged under it.
    const Half shared = half("memory = { size = '1G', max = '2G', share = true }\n", &with);
    CHECK(in_short(with, shared) == Lines{"! machine.memory-backend", "! object.memory.boot",
                                          "! object.memory.hot", "! device.memory.hot"});
}

TEST_CASE("where processors run changes at once, for as many as there are") {
    const auto pinned = [](const char* pin, int max = 2) {
        return half(fmt::format("cpus = {{ count = 2, max = {}, pin = '{}' }}\n", max, pin));
    };
    CHECK(in_short(half("cpus = 2\n"), pinned("0")) == Lines{"~ cpus.pin"});
    CHECK(in_short(pinned("0"), pinned("0-1")) == Lines{"~ cpus.pin"});
    CHECK(in_short(pinned("0"), pinned("0-0")) == Lines{});
    CHECK(in_short(pinned("0"), half("cpus = 2\n")) == Lines{"~ cpus.pin"});
    CHECK(in_short(pinned("0"), pinned("0", 4)) == Lines{"! cpus.cores", "! cpus.max", "! cpus.pin"});
}
