// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/live_names.hpp"

#include <map>

#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::shell;

namespace {

using Names = std::vector<std::string>;

/// Answers as QEMU 7.2 did.
Json answer(const LiveNames::Query& query) {
    const auto key = query.key();
    if (key == R"(query-named-block-nodes {"flat":true})")
        return Json::parse(
            R"([{"node-name": "n0", "image": {"snapshots": [{"name": "s"}]}}, {"node-name": "#b1", "image": {}}])");
    if (key == "query-block {}")
        return Json::parse(
            R"([{"device": "", "qdev": "/machine/peripheral/d0/virtio-backend"}, {"device": "ide0-cd0"}])");
    if (key == R"(qom-list {"path":"/machine/peripheral"})")
        return Json::parse(
            R"([{"name": "type", "type": "string"}, {"name": "nic0", "type": "child<virtio-net-pci>"},
                               {"name": "d0", "type": "child<virtio-blk-pci>"}])");
    if (key == R"(qom-get {"path":"/machine/peripheral/nic0","property":"netdev"})") return "net0";
    if (key == R"(qom-list {"path":"/machine/peripheral/nic0"})")
        return Json::parse(R"([{"name": "mac", "type": "str"}, {"name": "bus", "type": "link<bus>"},
                               {"name": "inner", "type": "child<x>"}])");
    if (key == R"(device-list-properties {"typename":"e1000"})")
        return Json::parse(R"([{"name": "mac", "type": "str"}, {"name": "rombar", "type": "uint32"}])");
    if (key == R"(qom-list-types {"implements":"device","abstract":false})")
        return Json::parse(R"([{"name": "virtio-net-pci", "parent": "x"}, {"name": "e1000"}])");
    return nullptr;
}

void ask(LiveNames& live) {
    for (auto wanted = live.take_wanted(); !wanted.empty(); wanted = live.take_wanted())
        for (const auto& query : wanted) live.absorb(query, answer(query));
}

std::optional<Names> asked(LiveNames& live, NameKind kind, const char* context = "") {
    for (int turn = 0; turn < 3 && !live.names(kind, context); ++turn) ask(live);
    return live.names(kind, context);
}

}  // namespace

TEST_CASE("Names come from queries, which are asked once") {
    LiveNames live;
    CHECK_FALSE(live.names(NameKind::Node, ""));
    CHECK_FALSE(live.names(NameKind::Snapshot, ""));
    CHECK(live.waiting());
    const auto wanted = live.take_wanted();
    REQUIRE(wanted.size() == 1);
    CHECK(live.take_wanted().empty());
    live.absorb(wanted[0], answer(wanted[0]));
    CHECK_FALSE(live.waiting());
    CHECK(live.names(NameKind::Node, "") == Names{"#b1", "n0"});
    CHECK(live.names(NameKind::Snapshot, "") == Names{"s"});
    CHECK(live.take_wanted().empty());

    CHECK(asked(live, NameKind::Disk) == Names{"d0", "ide0-cd0"});
    CHECK(asked(live, NameKind::Device) == Names{"d0", "nic0"});
    CHECK(asked(live, NameKind::QomPath, "/machine/peripheral/") == Names{"d0", "nic0"});
    CHECK(asked(live, NameKind::QomPath, "/machine/peripheral/nic0") == Names{"bus", "inner"});
    CHECK(asked(live, NameKind::QomProperty, "/machine/peripheral/nic0") == Names{"bus", "mac"});
    CHECK(asked(live, NameKind::DeviceType) == Names{"e1000", "virtio-net-pci"});
    CHECK(asked(live, NameKind::DeviceProperty, "e1000") == Names{"mac", "rombar"});
    CHECK(live.property_type("e1000", "rombar") == "uint32");
    CHECK(live.property_type("e1000", "rombarr").empty());
    CHECK(live.property_type("/machine/peripheral/nic0", "mac") == "str");
}

TEST_CASE("Buses are found below the machine, by their types, and those that take nothing are left out") {
    const std::map<std::string, const char*> answers{
        {R"(qom-list-types {"implements":"bus","abstract":false})",
         R"([{"name": "PCIE"}, {"name": "SCSI"}, {"name": "System"}, {"name": "virtio-pci-bus"}])"},
        {R"(qom-list {"path":"/machine"})",
         R"([{"name": "q35", "type": "child<q35-pcihost>"}, {"name": "peripheral", "type": "child<container>"},
             {"name": "type", "type": "string"}, {"name": "sysbus", "type": "child<System>"}])"},
        {R"(qom-list {"path":"/machine/q35"})",
         R"([{"name": "pcie.0", "type": "child<PCIE>"}, {"name": "io", "type": "child<memory-region>"},
             {"name": "bus", "type": "link<PCIE>"}])"},
        {R"(qom-list {"path":"/machine/peripheral"})",
         R"([{"name": "rp1", "type": "child<pcie-root-port>"}, {"name": "scsi0", "type": "child<virtio-scsi-pci>"}])"},
        {R"(qom-list {"path":"/machine/peripheral/rp1"})", R"([{"name": "rp1", "type": "child<PCIE>"}])"},
        {R"(qom-list {"path":"/machine/peripheral/scsi0"})",
         R"([{"name": "virtio-bus", "type": "child<virtio-pci-bus>"},
             {"name": "virtio-backend", "type": "child<virtio-scsi-device>"}])"},
        {R"(qom-list {"path":"/machine/peripheral/scsi0/virtio-backend"})",
         R"([{"name": "scsi0.0", "type": "child<SCSI>"}])"},
    };
    LiveNames live;
    const auto ask_until_known = [&] {
        for (int turn = 0; turn < 9 && !live.names(NameKind::Bus, ""); ++turn) {
            for (const auto& query : live.take_wanted()) {
                CAPTURE(query.key());
                REQUIRE(answers.contains(query.key()));
                live.absorb(query, Json::parse(answers.at(query.key())));
            }
        }
        return live.names(NameKind::Bus, "");
    };
    CHECK(ask_until_known() == Names{"pcie.0", "rp1", "scsi0.0"});
    CHECK(live.take_wanted().empty());
    // A controller may have come.
    live.heed_command("device_add", Json::object());
    CHECK_FALSE(live.names(NameKind::Bus, ""));
    CHECK(ask_until_known() == Names{"pcie.0", "rp1", "scsi0.0"});
    // A server that cannot tell has none.
    live.forget();
    CHECK_FALSE(live.names(NameKind::Bus, ""));
    for (const auto& query : live.take_wanted()) live.refuse(query);
    CHECK(live.names(NameKind::Bus, "") == Names{});
}

TEST_CASE("A machine of a thousand devices is not asked for all of them") {
    LiveNames live;
    std::size_t asked_for = 0;
    while (!live.names(NameKind::Bus, "")) {
        const auto wanted = live.take_wanted();
        REQUIRE_FALSE(wanted.empty());
        for (const auto& query : wanted) {
            ++asked_for;
            Json reply = Json::array();
            if (query.command == "qom-list-types") reply = Json::parse(R"([{"name": "SCSI"}])");
            for (int i = 0; query.command == "qom-list" && i < 1000; ++i)
                reply.push_back({{"name", "d" + std::to_string(i)}, {"type", "child<container>"}});
            live.absorb(query, reply);
        }
    }
    CHECK(asked_for < 200);
}

TEST_CASE("Netdevs are found through the devices that use them, and by our own commands") {
    LiveNames live;
    CHECK(asked(live, NameKind::Netdev) == Names{"net0"});
    live.heed_command("netdev_add", Json::parse(R"({"type": "user", "id": "net1"})"));
    CHECK(asked(live, NameKind::Netdev) == Names{"net0", "net1"});
    live.heed_command("netdev_del", Json::parse(R"({"id": "net0"})"));
    CHECK(asked(live, NameKind::Netdev) == Names{"net1"});
}

TEST_CASE("What may have changed is asked again") {
    LiveNames live;
    asked(live, NameKind::Device);
    asked(live, NameKind::Node);
    asked(live, NameKind::DeviceType);
    live.heed_event("RESUME");
    live.heed_command("query-status", Json::object());
    CHECK(live.names(NameKind::Device, ""));
    live.heed_event("DEVICE_DELETED");
    CHECK_FALSE(live.names(NameKind::Device, ""));
    CHECK(live.names(NameKind::Node, ""));
    live.heed_command("blockdev-add", Json::object());
    CHECK_FALSE(live.names(NameKind::Node, ""));
    CHECK(live.names(NameKind::DeviceType, ""));
    live.forget();
    CHECK_FALSE(live.names(NameKind::DeviceType, ""));
}

TEST_CASE("An answer that was overtaken by a change is asked again") {
    LiveNames live;
    CHECK_FALSE(live.names(NameKind::Job, ""));
    const auto first = live.take_wanted();
    live.heed_event("JOB_STATUS_CHANGE");
    CHECK(live.take_wanted().empty());
    live.absorb(first.at(0), Json::array());
    CHECK_FALSE(live.names(NameKind::Job, ""));
    const auto second = live.take_wanted();
    REQUIRE(second.size() == 1);
    live.absorb(second[0], Json::parse(R"([{"id": "j"}])"));
    CHECK(live.names(NameKind::Job, "") == Names{"j"});
}

TEST_CASE("A server that cannot tell has no such names, and no answer is too odd") {
    LiveNames live;
    live.names(NameKind::Memdev, "");
    live.refuse(live.take_wanted().at(0));
    CHECK(live.names(NameKind::Memdev, "") == Names{});
    for (const char* odd : {"null", "[]", "[1, null, [], {}, {\"name\": 1}]", "{}", "\"x\"",
                            R"([{"node-name": {}, "image": 1}, {"image": {"snapshots": 1}}])"}) {
        for (const auto kind : {NameKind::Node, NameKind::Disk, NameKind::Device, NameKind::DeviceProperty}) {
            LiveNames fresh;
            fresh.names(kind, "x");
            const auto query = fresh.take_wanted().at(0);
            fresh.absorb(query, Json::parse(odd));
            CHECK(fresh.names(kind, "x"));
        }
    }
}

TEST_CASE("Not everything that was ever asked is kept") {
    LiveNames live;
    for (int i = 0; i < 1000; ++i) asked(live, NameKind::QomPath, ("/p" + std::to_string(i)).c_str());
    CHECK(live.names(NameKind::QomPath, "/p999"));
    CHECK_FALSE(live.names(NameKind::QomPath, "/p0"));
}
