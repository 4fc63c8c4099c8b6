// SPDX-License-Identifier: GPL-3.0-or-later
#include "qapi/capabilities.hpp"

#include "base/error.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using namespace qvm::qapi;

TEST_CASE("a saved QEMU answers questions about its types") {
    const Capabilities& qemu = test::saved_qemu();
    CHECK(qemu.to_string() == "QEMU 7.2.22 (/usr/bin/qemu-system-x86_64)");
    CHECK(qemu.version >= Version{7, 2, 0});
    CHECK(qemu.arch == "x86_64");
    CHECK(qemu.is_a("virtio-blk-pci", "pci-device"));
    CHECK(qemu.is_a("scsi-hd", "scsi-device"));
    CHECK(qemu.is_a("pci-device", "pci-device"));
    CHECK_FALSE(qemu.is_a("scsi-hd", "pci-device"));
    CHECK_FALSE(qemu.is_a("no-such", "pci-device"));
    CHECK(qemu.has_device("virtio-blk-pci"));
    CHECK_FALSE(qemu.has_device("pci-device"));
    REQUIRE(qemu.machine("q35") != nullptr);
    CHECK(qemu.machine("q35") == qemu.machine("pc-q35-7.2"));
    CHECK(qemu.machine("q35")->default_ram_id == "pc.ram");
    CHECK(qemu.machine("") == nullptr);
    REQUIRE(qemu.cpu_model("max") != nullptr);
    CHECK(qemu.cpu_model("max")->type == "max-x86_64-cpu");
    CHECK(qemu.properties_of("virtio-blk-pci")->size() == 71);
    CHECK(qemu.properties_of("no-such") == nullptr);
    CHECK(qemu.options.contains("smbios"));
}

TEST_CASE("saved capabilities are read back as they were") {
    const Json saved = test::saved_qemu().to_json();
    CHECK(Capabilities::from_json(saved).to_json() == saved);
}

TEST_CASE("what is not saved capabilities is refused") {
    Json saved = test::saved_qemu().to_json();
    CHECK_THROWS_AS(Capabilities::from_json(Json::array()), Error);
    CHECK_THROWS_AS(Capabilities::from_json(Json::object()), Error);
    saved["form"] = 999;
    CHECK_THROWS_AS(Capabilities::from_json(saved), Error);
    saved = test::saved_qemu().to_json();
    saved["version"] = "7.2";
    CHECK_THROWS_WITH(Capabilities::from_json(saved), ContainsSubstring("damaged"));
}

TEST_CASE("a loop among the types of a damaged cache ends") {
    Capabilities qemu;
    qemu.parents = {{"a", "b"}, {"b", "a"}};
    CHECK_FALSE(qemu.is_a("a", "c"));
}
