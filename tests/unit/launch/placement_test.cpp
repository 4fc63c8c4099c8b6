// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/placement.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/check.hpp"
#include "config/document.hpp"
#include "config/lower.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using config::Kind;
using config::Resource;
using launch::Placement;

namespace {

config::Vm lowered(const std::string& text) {
    Diagnostics diagnostics;
    config::Vm vm =
        config::lower(config::load({{"vm.toml", "/vm/vm.toml", text}}, {}, diagnostics), diagnostics);
    INFO(diagnostics.to_text(false));
    REQUIRE_FALSE(diagnostics.has_errors());
    return vm;
}

config::Vm placed(const std::string& text) {
    Diagnostics diagnostics;
    config::Vm vm = lowered(text);
    launch::place(vm, test::saved_qemu(), diagnostics);
    INFO(diagnostics.to_text(false));
    CHECK(diagnostics.size() == 0);
    return vm;
}

std::vector<std::string> complaints(const std::string& text) {
    Diagnostics diagnostics;
    config::Vm vm = lowered(text);
    launch::place(vm, test::saved_qemu(), diagnostics);
    std::vector<std::string> messages;
    for (const auto& d : diagnostics.list()) messages.push_back(d.message);
    return messages;
}

const Resource& device(const config::Vm& vm, const std::string& id) {
    const Resource* found = vm.find({Kind::Device, id});
    REQUIRE(found != nullptr);
    return *found;
}

/// "bus addr", with "-" for what is not there.
std::string place_of(const config::Vm& vm, const std::string& id) {
    const auto text = [&](const char* key) {
        const config::Value* value = device(vm, id).properties.table()->find(key);
        if (value == nullptr) return std::string("-");
        return value->string() != nullptr ? *value->string() : std::string("?");
    };
    return text("bus") + ' ' + text("addr");
}

std::vector<const Resource*> ports(const config::Vm& vm) {
    std::vector<const Resource*> found;
    for (const Resource& r : vm.resources)
        if (r.driver() == "pcie-root-port") found.push_back(&r);
    return found;
}

bool on_argv(const config::Vm& vm, const std::string& id) {
    return launch::placement_of(device(vm, id), vm, test::saved_qemu()) == Placement::Argv;
}

const std::string bare = "defaults = false\nhotplug.pcie-ports = 0\n";

}  // namespace

TEST_CASE("q35 gets root ports in multifunction groups of eight") {
    const auto vm = placed(
        "defaults = false\nhotplug.pcie-ports = 4\n"
        "[device.a]\ndriver = 'virtio-rng-pci'\n[device.b]\ndriver = 'virtio-rng-pci'\n");
    const auto made = ports(vm);
    REQUIRE(made.size() == 8);
    CHECK(vm.resources.front().id.id == "port0");
    CHECK(made[0]->made_by == "hotplug");
    CHECK(place_of(vm, "port0") == "pcie.0 0x4");
    CHECK(place_of(vm, "port7") == "pcie.0 0x4.7");
    CHECK(*made[0]->properties.table()->find("multifunction")->boolean());
    CHECK(made[1]->properties.table()->find("multifunction") == nullptr);
    std::set<std::int64_t> chassis;
    for (const Resource* port : made) chassis.insert(*port->properties.table()->find("chassis")->integer());
    CHECK(chassis.size() == 8);
    CHECK(place_of(vm, "a") == "port0 0x0");
    CHECK(place_of(vm, "b") == "port1 0x0");
}

TEST_CASE("ports are rounded up to eight, and none are made when none are needed") {
    CHECK(ports(placed(bare)).empty());
    CHECK(ports(placed("defaults = false\nhotplug.pcie-ports = 9\n")).size() == 16);
    std::string many = "defaults = false\nhotplug.pcie-ports = 4\n";
    for (int i = 0; i < 100; ++i) many += fmt::format("[device.d{}]\ndriver = 'virtio-rng-pci'\n", i);
    const auto vm = placed(many);
    CHECK(ports(vm).size() == 104);
    CHECK(place_of(vm, "port103") == "pcie.0 0x10.7");
    CHECK(place_of(vm, "d99") == "port99 0x0");
}

TEST_CASE("what cannot be plugged sits on the root bus, away from the ports") {
    const auto vm = placed(
        "defaults = false\nhotplug.pcie-ports = 1\n[device.v]\ndriver = 'VGA'\n"
        "[device.i]\ndriver = 'virtio-iommu-pci'\n[device.w]\ndriver = 'VGA'\nbus = 'pcie.0'\n");
    CHECK(place_of(vm, "v") == "pcie.0 0x1d");
    CHECK(place_of(vm, "i") == "pcie.0 0x1c");
    CHECK(place_of(vm, "w") == "pcie.0 0x1e");
    CHECK(on_argv(vm, "v"));
    CHECK(on_argv(vm, "port0"));
}

TEST_CASE("addresses and chassis numbers of the file are respected") {
    const auto vm = placed(
        "defaults = false\nhotplug.pcie-ports = 0\n"
        "[device.mine]\ndriver = 'pcie-root-port'\nbus = 'pcie.0'\naddr = '04.0'\nchassis = 1\n"
        "[device.other]\ndriver = 'pcie-root-port'\n"
        "[device.v]\ndriver = 'VGA'\nbus = 'pcie.0'\naddr = 0xf0\n"
        "[device.a]\ndriver = 'virtio-rng-pci'\n"
        "[device.b]\ndriver = 'virtio-rng-pci'\nbus = 'mine'\n");
    CHECK(place_of(vm, "b") == "mine 0x0");
    CHECK(place_of(vm, "a") == "port0 0x0");
    CHECK(place_of(vm, "port0") == "pcie.0 0x5");
    CHECK(*device(vm, "port0").properties.table()->find("chassis")->integer() == 2);
    CHECK(*device(vm, "other").properties.table()->find("chassis")->integer() == 255);
    CHECK(place_of(vm, "other") == "pcie.0 0x1d");
}

TEST_CASE("an address without a bus is one on the root bus") {
    const auto vm =
        placed(bare + "[device.a]\ndriver = 'e1000'\naddr = '0x4'\n[device.b]\ndriver = 'e1000'\n");
    CHECK(place_of(vm, "a") == "pcie.0 0x4");
    CHECK(on_argv(vm, "a"));
    CHECK(place_of(vm, "port0") == "pcie.0 0x5");
}

TEST_CASE("an id of the file is never taken for a port") {
    const auto vm = placed(bare + "[device.port0]\ndriver = 'virtio-rng-pci'\n");
    CHECK(place_of(vm, "port0") == "port1 0x0");
    CHECK(ports(vm).size() == 8);
}

TEST_CASE("controllers are made for devices that need one, once") {
    const auto vm = placed(bare +
                           "[device.t]\ndriver = 'usb-tablet'\n[device.k]\ndriver = 'usb-kbd'\n"
                           "[chardev.c]\nbackend = { type = 'null' }\n"
                           "[device.p]\ndriver = 'virtserialport'\nchardev = 'c'\n");
    CHECK(device(vm, "usb0").driver() == "qemu-xhci");
    CHECK(device(vm, "usb0").made_by == "qvm");
    CHECK(place_of(vm, "t") == "usb0.0 -");
    CHECK(place_of(vm, "k") == "usb0.0 -");
    CHECK(device(vm, "virtio-serial0").driver() == "virtio-serial-pci");
    CHECK(place_of(vm, "p") == "virtio-serial0.0 -");
    CHECK_FALSE(on_argv(vm, "t"));
    CHECK_FALSE(on_argv(vm, "usb0"));
    CHECK_FALSE(on_argv(vm, "p"));

    const auto own = placed(bare +
                            "[device.x]\ndriver = 'nec-usb-xhci'\n[device.t]\ndriver = 'usb-tablet'\n"
                            "[device.s]\ndriver = 'virtio-scsi-pci'\n[device.d]\ndriver = 'scsi-cd'\n");
    CHECK(place_of(own, "t") == "x.0 -");
    CHECK(place_of(own, "d") == "s.0 -");
    CHECK(own.find({Kind::Device, "usb0"}) == nullptr);
}

TEST_CASE("pc has explicit slots on its one bus, which takes everything live") {
    const auto vm =
        placed("machine = 'pc'\n" + bare +
               "[device.a]\ndriver = 'virtio-rng-pci'\n[device.b]\ndriver = 'virtio-rng-pci'\naddr = '3'\n"
               "[device.c]\ndriver = 'ide-cd'\n[device.d]\ndriver = 'ide-cd'\n[device.v]\ndriver = 'VGA'\n");
    CHECK(ports(vm).empty());
    CHECK(place_of(vm, "a") == "pci.0 0x4");
    CHECK(place_of(vm, "b") == "pci.0 3");
    CHECK(place_of(vm, "d") == "ide.0 -");
    CHECK(*device(vm, "d").properties.table()->find("unit")->integer() == 1);
    CHECK_FALSE(on_argv(vm, "a"));
    CHECK(on_argv(vm, "v"));
    CHECK(on_argv(vm, "c"));
}

TEST_CASE("microvm takes everything on the command line") {
    const auto vm =
        placed("machine = 'microvm'\n" + bare +
               "[device.a]\ndriver = 'virtio-rng-device'\n[chardev.c]\nbackend = { type = 'null' }\n"
               "[device.p]\ndriver = 'virtconsole'\nchardev = 'c'\n");
    CHECK(place_of(vm, "a") == "- -");
    CHECK(device(vm, "virtio-serial0").driver() == "virtio-serial-device");
    for (const auto& [id, where] : launch::placements_of(vm, test::saved_qemu()))
        CHECK(where == Placement::Argv);
}

TEST_CASE("a device goes where its children must go") {
    const auto vm = placed(bare +
                           "[device.hda]\ndriver = 'intel-hda'\n[device.lone]\ndriver = 'intel-hda'\n"
                           "[device.codec]\ndriver = 'hda-duplex'\nbus = 'hda.0'\n"
                           "[device.br]\ndriver = 'pcie-pci-bridge'\n[device.v]\ndriver = 'VGA'\nbus = 'br'\n"
                           "[device.fix]\ndriver = 'pcie-root-port'\nhotplug = false\n"
                           "[device.held]\ndriver = 'virtio-rng-pci'\nbus = 'fix'\n"
                           "[device.nv]\ndriver = 'nvme'\nserial = 'x'\n[device.ns]\ndriver = 'nvme-ns'\n"
                           "[device.tpm]\ndriver = 'tpm-crb'\n[device.ser]\ndriver = 'isa-serial'\n");
    CHECK(on_argv(vm, "codec"));
    CHECK(on_argv(vm, "hda"));
    CHECK_FALSE(on_argv(vm, "lone"));
    CHECK(on_argv(vm, "br"));
    CHECK(on_argv(vm, "held"));
    CHECK(place_of(vm, "ns") == "nv -");
    CHECK(on_argv(vm, "ns"));
    CHECK(on_argv(vm, "nv"));
    CHECK(on_argv(vm, "tpm"));
    CHECK(on_argv(vm, "ser"));
    const auto all = launch::placements_of(vm, test::saved_qemu());
    for (const auto& [id, where] : all) CHECK(where == (on_argv(vm, id) ? Placement::Argv : Placement::Qmp));
}

TEST_CASE("memory and processors are plugged without a bus") {
    const auto vm = placed(bare +
                           "[object.m]\nqom-type = 'memory-backend-ram'\nsize = '128M'\n"
                           "[device.d]\ndriver = 'pc-dimm'\nmemdev = 'm'\n");
    CHECK(place_of(vm, "d") == "- -");
    CHECK_FALSE(on_argv(vm, "d"));
}

TEST_CASE("a placed VM is left as it is") {
    auto vm = placed(
        "defaults = false\nhotplug.pcie-ports = 4\n[device.a]\ndriver = 'virtio-rng-pci'\n"
        "[device.t]\ndriver = 'usb-tablet'\n[device.v]\ndriver = 'VGA'\n[device.c]\ndriver = 'ide-cd'\n");
    vm.spare_pcie_ports.value = 0;
    const auto picture = [](const config::Vm& v) {
        std::string text;
        for (const Resource& r : v.resources) text += r.id.to_string() + to_json(r.properties).dump() + '\n';
        return text;
    };
    const std::string before = picture(vm);
    Diagnostics diagnostics;
    launch::place(vm, test::saved_qemu(), diagnostics);
    CHECK(diagnostics.size() == 0);
    CHECK(picture(vm) == before);
}

TEST_CASE("what there is no room for is said once, by name") {
    std::string many = bare;
    for (int i = 0; i < 230; ++i) many += fmt::format("[device.d{}]\ndriver = 'virtio-rng-pci'\n", i);
    const auto said = complaints(many);
    REQUIRE(said.size() == 1);
    CHECK_THAT(said[0], ContainsSubstring("no room for device \"d216\""));
    CHECK(complaints("machine = 'isapc'\n" + bare + "[device.a]\ndriver = 'virtio-rng-pci'\n").size() == 1);
    CHECK(complaints("machine = 'microvm'\n" + bare + "[device.a]\ndriver = 'usb-tablet'\n").size() == 1);
}

TEST_CASE("a machine nobody knows is left to QEMU") {
    CHECK(complaints("machine = 'no-such'\n" + bare + "[device.a]\ndriver = 'virtio-rng-pci'\n").empty());
    auto vm = lowered("machine = 'none'\n" + bare + "[device.a]\ndriver = 'virtio-rng-pci'\n");
    Diagnostics diagnostics;
    launch::place(vm, test::saved_qemu(), diagnostics);
    CHECK(place_of(vm, "a") == "- -");
    CHECK(on_argv(vm, "a"));
}

TEST_CASE("a loop of buses does not hang the classification") {
    const auto vm = lowered(bare +
                            "[device.a]\ndriver = 'pcie-pci-bridge'\nbus = 'b'\n"
                            "[device.b]\ndriver = 'pcie-pci-bridge'\nbus = 'a'\n");
    CHECK_FALSE(on_argv(vm, "a"));
}
