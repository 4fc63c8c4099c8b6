// SPDX-License-Identifier: GPL-3.0-or-later
// Lowering: each tests/golden/lower/NAME.toml gives NAME.txt (what is wrong, then the raw level). With
// QVM_TEST_ACCEPT=1 the texts are rewritten, and the run fails so that nobody overlooks it.
#include "config/lower.hpp"

#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "config/dump.hpp"
#include "config/host_uses.hpp"
#include "config/stable.hpp"
#include "config/sugar_net.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "unit/config/vm_json.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

struct Lowered {
    Diagnostics diagnostics;
    Vm vm;
};

Lowered lowered(const std::string& text, const fs::path& path = "/vm/test.toml") {
    Lowered result;
    const Document document = load({{path.filename(), path, text}}, {}, result.diagnostics);
    result.vm = lower(document, result.diagnostics);
    find_host_uses(result.vm, document, result.diagnostics);
    result.diagnostics.sort();
    return result;
}

std::string messages(const Lowered& result) {
    std::string text;
    for (const auto& d : result.diagnostics.list()) text += d.message + '\n';
    return text;
}

std::string uses_text(const Vm& vm) {
    constexpr std::array entrances{"fdset", "getfd", "copy", "bind", "listen", "text", "keep"};
    constexpr std::array accesses{"ro", "rw", "wo"};
    std::string text;
    for (const auto& resource : vm.resources)
        for (const auto& use : resource.host_uses)
            text += fmt::format("# {} {}: {} {} {}\n", resource.id.to_string(), fmt::join(use.member, "."),
                                entrances.at(static_cast<std::size_t>(use.entrance)),
                                accesses.at(static_cast<std::size_t>(use.access)),
                                use.host.empty() ? use.path.string() : '@' + use.host);
    return text;
}

TEST_CASE("goldens: what each file means") {
    REQUIRE(setenv("HOME", "/home/me", 1) == 0);
    for (const auto& file : fs::directory_iterator(QVM_SOURCE_DIR "/tests/golden/lower")) {
        if (file.path().extension() != ".toml") continue;
        const auto result = lowered(read_file(file.path()).bytes, fs::path("/vm") / file.path().filename());
        const std::string text = result.diagnostics.to_text(false) + "# ---\n" + to_toml(result.vm) +
                                 "\n# ---\n" + uses_text(result.vm);
        test::check_golden(fs::path(file.path()).replace_extension(".txt"), text);
    }
}

TEST_CASE("a VM's name comes from its file, or from the directory of a vm.toml") {
    CHECK(lowered("", "/srv/web.toml").vm.name.value == "web");
    CHECK(lowered("", "/srv/web/vm.toml").vm.name.value == "web");
    CHECK(lowered("name = 'db'", "/srv/web.toml").vm.name.value == "db");
    const auto odd = lowered("", "/srv/My VM_1.toml");
    REQUIRE(odd.diagnostics.size() == 1);
    CHECK(odd.diagnostics.list()[0].notes[0] == "say name = \"my-vm-1\" at the top of the file");
    CHECK(odd.diagnostics.list()[0].origin.to_string() == "My VM_1.toml");
    CHECK_FALSE(lowered("", "/vm.toml").diagnostics.list().empty());
    CHECK_FALSE(lowered("name = '" + std::string(64, 'a') + "'").diagnostics.list().empty());
    CHECK(lowered("name = '" + std::string(63, 'a') + "'").diagnostics.list().empty());
}

TEST_CASE("the topology is complete, and its numbers fit") {
    const auto smp = [](const std::string& text) {
        const auto result = lowered("cpus = " + text);
        if (result.diagnostics.size() != 0) return std::string("no");
        const Smp& s = result.vm.smp;
        return fmt::format("{} {}/{}/{}/{} {}", s.cpus, s.sockets, s.dies, s.cores, s.threads, s.maxcpus);
    };
    CHECK(smp("4") == "4 1/1/4/1 4");
    CHECK(smp("{ cores = 4, threads = 2 }") == "8 1/1/4/2 8");
    CHECK(smp("{ sockets = 2, cores = 8 }") == "16 2/1/8/1 16");
    CHECK(smp("{ count = 8, cores = 2 }") == "8 4/1/2/1 8");
    CHECK(smp("{ count = 8, sockets = 2 }") == "8 2/1/4/1 8");
    CHECK(smp("{ count = 2, max = 8 }") == "2 1/1/8/1 8");
    CHECK(smp("{ count = 3, max = 8 }") == "3 1/1/8/1 8");
    CHECK(smp("{ cores = 4, max = 8 }") == "4 2/1/4/1 8");
    CHECK(smp("{ max = 4 }") == "1 1/1/4/1 4");
    CHECK(smp("{ count = 8, dies = 2, threads = 2 }") == "8 1/2/2/2 8");
    CHECK(smp("{ count = 3, cores = 2 }") == "no");
    CHECK(smp("{ count = 8, max = 4 }") == "no");
    CHECK(smp("{ cores = 4, max = 6 }") == "no");
    CHECK(smp("{ count = 3, threads = 2 }") == "no");
    CHECK(smp("0") == "no");
    CHECK(smp("5000") == "no");
    CHECK(smp("{ sockets = 4096, dies = 4096, cores = 4096, threads = 4096 }") == "no");
}

TEST_CASE("port forwards") {
    const auto spec = [](std::string_view text) {
        const auto parsed = parse_forward(text);
        if (const auto* wrong = std::get_if<std::string>(&parsed)) return *wrong;
        const auto& forward = std::get<Forward>(parsed);
        return (forward.udp ? "-u " : "-t ") + forward.spec;
    };
    CHECK(spec("2222 -> 22") == "-t 127.0.0.1/2222:22");
    CHECK(spec("2222->22") == "-t 127.0.0.1/2222:22");
    CHECK(spec("udp:53 -> 5353") == "-u 127.0.0.1/53:5353");
    CHECK(spec("0.0.0.0:80 -> 8080") == "-t 0.0.0.0/80:8080");
    CHECK(spec("[::1]:80 -> 8080") == "-t ::1/80:8080");
    CHECK(spec("udp:10.0.0.1:8000-8010 -> 9000") == "-u 10.0.0.1/8000-8010:9000-9010");
    CHECK_THAT(spec("2222"), ContainsSubstring("there is no '->'"));
    CHECK_THAT(spec("-> 22"), ContainsSubstring("'' is not a port"));
    CHECK_THAT(spec("0 -> 22"), ContainsSubstring("'0' is not a port"));
    CHECK_THAT(spec("65536 -> 22"), ContainsSubstring("'65536' is not a port"));
    CHECK_THAT(spec("1 -> x"), ContainsSubstring("'x' is not a port of the guest"));
    CHECK_THAT(spec("host:1 -> 2"), ContainsSubstring("'host' is not an IP address"));
    CHECK_THAT(spec("9-8 -> 2"), ContainsSubstring("ends before it begins"));
    CHECK_THAT(spec("1-3 -> 65534"), ContainsSubstring("end at 65536"));
}

TEST_CASE("a nic's MAC never changes, and differs between VMs and nics") {
    CHECK(stable_mac("web", "lan") == "52:54:00:29:26:87");
    CHECK(stable_mac("web", "lan") != stable_mac("web", "wan"));
    CHECK(stable_mac("a", "bc") != stable_mac("ab", "c"));
}

TEST_CASE("a VM's UUID and address never change, and differ between VMs") {
    CHECK(lowered("", "/srv/web.toml").vm.uuid->value == stable_uuid("web"));
    CHECK(stable_uuid("web") == "260ec277-ac05-85f3-9e30-2e5bd7c04409");
    CHECK(stable_uuid("web") != stable_uuid("db"));
    CHECK(stable_cid("web") == 752278529);
    CHECK(stable_cid("web") != stable_cid("db"));
    CHECK_FALSE(lowered("uuid = false").vm.uuid);
    CHECK_FALSE(lowered("defaults = false").vm.uuid);
    CHECK(lowered("defaults = false\nuuid = true\nname = 'web'").vm.uuid->value == stable_uuid("web"));
    const std::string own = "c0ffee00-0000-4000-8000-00000000000A";
    CHECK(lowered("uuid = '" + own + "'").vm.uuid->value == own);
    CHECK(messages(lowered("uuid = 'c0ffee'")) == "'c0ffee' is not a UUID\n");
}

TEST_CASE("what is made by default gives way to the user's own") {
    const auto result =
        lowered("[chardev.console]\nbackend = { type = 'null' }\n[object.rng0]\nqom-type = 'rng-builtin'");
    CHECK(result.diagnostics.size() == 0);
    CHECK(result.vm.resources.size() == 2);
    CHECK(result.vm.console.empty());
    CHECK(lowered("defaults = false").vm.resources.empty());
    CHECK(lowered("defaults = false").vm.spare_pcie_ports.value == 0);
    CHECK(lowered("defaults = false\nconsole = true").vm.console == "console");
    CHECK(lowered("rng = false\nconsole = 'none'").vm.resources.empty());
}

TEST_CASE("an id belongs to one device") {
    const auto result =
        lowered("disk.x = { file = 'x.raw' }\nnet.x = { type = 'none' }\n[device.console]\ndriver = 'e1000'");
    REQUIRE(result.diagnostics.size() == 1);
    CHECK(messages(result) == "the device id 'x' is used twice: by disk.x and by net.x\n");
    CHECK(result.diagnostics.list()[0].notes[0] == "first used by disk.x at test.toml:1:6");
    CHECK(messages(lowered("disk.scsi0 = { file = 'a.raw', bus = 'scsi' }")) ==
          "the device id 'scsi0' is used twice: by disk.scsi0 and by disk.scsi0\n");
}

TEST_CASE("sata ports end") {
    std::string text;
    for (int i = 0; i < 7; ++i) text += fmt::format("cdrom.c{} = {{}}\n", i);
    const auto result = lowered(text);
    CHECK(messages(result) == "cdrom.c6 finds no free sata port: machine 'q35' has 6\n");
    CHECK(messages(lowered("machine = 'microvm'\ndisk.a = { file = 'a.raw', bus = 'sata' }")) ==
          "disk.a is on the sata bus, but machine 'microvm' has none\n");
}

TEST_CASE("a wrong value is not also a missing one") {
    CHECK(lowered("disk.a = { file = 5 }").diagnostics.size() == 1);
    CHECK(lowered("disk.a = { file = 'x', format = 5 }").diagnostics.size() == 1);
    CHECK(lowered("net.a = { type = 'usr' }").diagnostics.size() == 1);
    CHECK(lowered("kernel.image = true").diagnostics.size() == 1);
    CHECK(lowered("host.a = { kind = 'fil' }").diagnostics.size() == 1);
    CHECK(lowered("name = 5").diagnostics.size() == 1);
}

}  // namespace
}  // namespace qvm::config
