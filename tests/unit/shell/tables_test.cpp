// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/tables.hpp"

#include <clocale>

#include "shell/layout.hpp"
#include "unit/shell/pictures.hpp"

using namespace qvm;
using namespace qvm::shell;
using namespace qvm::test;

TEST_CASE("Replies of real QEMUs become tables") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    for (const auto* version : saved_versions) {
        std::string all;
        const auto replies = saved_replies(version);
        for (const auto& [command, reply] : replies.items()) {
            const auto lines = augment(command, reply, 80);
            if (lines) all += command + "\n" + text_of(*lines) + "\n";
        }
        check_picture(std::string("tables-") + version + ".txt", all);
    }
}

TEST_CASE("A table is as narrow as the screen, in every locale") {
    for (const auto* locale : {"C.UTF-8", "C"}) {
        std::setlocale(LC_CTYPE, locale);
        const auto replies = saved_replies("11.1");
        for (const auto& [command, reply] : replies.items())
            for (std::size_t columns = 0; columns < 90; ++columns)
                if (const auto lines = augment(command, reply, columns)) CHECK(widest(*lines) <= columns);
    }
}

TEST_CASE("What does not look like a reply is left alone, and nothing of it reaches a terminal") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    auto replies = saved_replies("7.2");
    for (const auto& [command, reply] : replies.items()) {
        CHECK_FALSE(augment(command, Json(7), 80));
        for_each_damage(reply, reply, 4, [&, &command = command](const Json& damaged) {
            const auto lines = augment(command, damaged, 80);
            if (!lines) return;
            if (widest(*lines) > 80 || text_of(*lines).find('\x1b') != std::string::npos) FAIL(command);
        });
    }
    CHECK_FALSE(augment("query-jobs", Json::array({Json::object({{"name", "x"}})}), 80));
    CHECK_FALSE(augment("query-status", Json::object(), 80));
}

TEST_CASE("A drive says what is in it, and what is wrong") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const auto reply = Json::parse(R"([
        {"device": "", "qdev": "cd0", "tray_open": true, "locked": false},
        {"device": "old", "locked": true, "io-status": "nospace", "inserted": {
            "node-name": "n", "drv": "qcow2", "ro": false, "encrypted": true, "iops": 5, "active": false, "file": "f",
            "image": {"virtual-size": 1024, "dirty-flag": true, "snapshots": [{}, {}],
                      "format-specific": {"type": "qcow2", "data": {"corrupt": true}}}}}])");
    const auto text = text_of(*augment("query-block", reply, 160));
    CHECK(text.find("cd0           empty               tray open\n") != std::string::npos);
    CHECK(text.find("old     n     qcow2     1K  rw    nospace, locked  "
                    "encrypted, throttled, 2 snapshots, dirty, corrupt, inactive  f\n") != std::string::npos);
}

TEST_CASE("Bridges in bridges without end are no tree") {
    Json device = Json::parse(R"({"slot": 1, "function": 0, "id": {}, "class_info": {}})");
    for (int i = 0; i < 200; ++i) {
        auto outer = Json::parse(R"({"slot": 1, "function": 0, "id": {}, "class_info": {}})");
        outer["pci_bridge"] = {{"devices", Json::array({std::move(device)})}};
        device = std::move(outer);
    }
    const auto bus = Json::array({Json::object({{"bus", 0}, {"devices", Json::array({device})}})});
    CHECK_FALSE(augment("query-pci", bus, 80));
}

TEST_CASE("A migration tells how far it is") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const auto reply = Json::parse(R"({"status": "active", "total-time": 12500, "expected-downtime": 300,
        "ram": {"total": 2147483648, "remaining": 536870912, "transferred": 1700000000, "mbps": 268.35}})");
    CHECK(text_of(*augment("query-migrate", reply, 60)) == R"(MIGRATION
status             active
memory done        75%
memory             2G
transferred        1.6G
remaining          512M
rate               268.4 Mbit/s
total time         12.5 s
expected downtime  300 ms
)");
    CHECK(text_of(*augment("query-migrate", Json::object(), 60)) == "no migration since QEMU began\n");
}

TEST_CASE("Text for people is shown as its lines") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const auto reply = Json::object({{"human-readable-text", "one\ttwo\r\n\x1b[2Jthree\n"}});
    const auto lines = augment("x-query-roms", reply, 20);
    REQUIRE(lines);
    CHECK(lines->size() == 2);
    CHECK(text_of(*lines).find("one two\n") == 0);
    CHECK(text_of(*lines).find('\x1b') == std::string::npos);
}

TEST_CASE("Sizes are short") {
    CHECK(short_size(0) == "0");
    CHECK(short_size(1000) == "1000");
    CHECK(short_size(1024) == "1K");
    CHECK(short_size(1536) == "1.5K");
    CHECK(short_size(20.0 * 1024 * 1024) == "20M");
    CHECK(short_size(1048575) == "1M");
    CHECK(short_size(204800) == "200K");
    CHECK(short_size(1.8e19) == "15.6E");
    CHECK(short_size(-1) == "?");
}

TEST_CASE("A table keeps what matters") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const std::vector<Column> header{
        {"NAME"}, {"SIZE", 1, true}, {"NOTE", 3}, {"NONE", 1}, {"FILE", 2, false, true}};
    const std::vector<Line> rows{{{"disk"}, {"1G"}, {"a note"}, {}, {"/images/of/all/kinds/disk.qcow2"}},
                                 {{"文文文"}}};
    CHECK(text_of(table(header, rows, 80)) == R"(NAME    SIZE  NOTE    FILE
disk      1G  a note  /images/of/all/kinds/disk.qcow2
文文文
)");
    CHECK(text_of(table(header, rows, 30)) == R"(NAME    SIZE  FILE
disk      1G  …inds/disk.qcow2
文文文
not shown: NOTE
)");
    CHECK(text_of(table(header, rows, 12)) == R"(NAME    SIZE
disk      1G
文文文
not shown: …
)");
    CHECK(text_of(table(header, rows, 3)) == "NA…\ndi…\n文…\nno…\n");
}
