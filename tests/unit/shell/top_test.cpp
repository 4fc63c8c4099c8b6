// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/top.hpp"

#include <clocale>

#include <fmt/format.h>

#include "unit/shell/pictures.hpp"

using namespace qvm;
using namespace qvm::shell;
using namespace qvm::test;

namespace {

constexpr std::int64_t second = 1'000'000;

Json disk(const std::string& name, std::uint64_t read, std::uint64_t written) {
    return Json::object({{"device", ""},
                         {"qdev", "/machine/peripheral/" + name + "/virtio-backend"},
                         {"stats",
                          {{"rd_bytes", read},
                           {"wr_bytes", written},
                           {"rd_operations", read / 4096},
                           {"wr_operations", written / 4096}}}});
}

void absorb(Top& top, std::string_view command, const Json& reply, std::int64_t when) {
    top.absorb(command, &reply, when);
}

/// The lines with one blank for each run of them.
std::string squeezed(const std::vector<Line>& lines) {
    std::string text;
    for (const char c : text_of(lines))
        if (c != ' ' || !text.ends_with(' ')) text += c;
    return text;
}

bool asks(const Top& top, std::string_view command) {
    return std::ranges::any_of(top.queries(), [&](const auto& query) { return query.command == command; });
}

}  // namespace

TEST_CASE("Rates are what counters gained") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Top top;
    CHECK(text_of(top.lines(60, 1)) == "waiting for QEMU's answers\n");
    absorb(top, "query-status", Json::parse(R"({"status": "running", "running": true})"), 0);
    absorb(top, "query-cpus-fast", saved_replies("11.1")["query-cpus-fast"], 0);
    absorb(top, "query-iothreads", saved_replies("11.1")["query-iothreads"], 0);
    absorb(top, "query-blockstats", Json::array({disk("disk0", 0, 0)}), 0);
    CHECK(text_of(top.lines(60, 2)) == "running  2 vCPUs  iothreads io0\n3 more are not shown\n");
    for (int i = 1; i <= 4; ++i)
        absorb(top, "query-blockstats", Json::array({disk("disk0", 1048576ULL * (i * (i - 1)), 0)}),
               i * second);
    // Half a second later, a quarter of what came before.
    absorb(top, "query-blockstats", Json::array({disk("disk0", 1048576ULL * 13, 0)}),
           4 * second + second / 2);
    CHECK(text_of(top.lines(60, 10)) == R"(running  2 vCPUs  iothreads io0
disk0 read            2M/s             ▁▄▆█▄  most 6M/s
disk0 write            0/s             ▁▁▁▁▁  most 0/s
disk0 operations     512/s             ▁▄▆█▄  most 1536/s
Network: QMP has no counters of packets or bytes.
)");
    // What never moved goes first.
    CHECK(text_of(top.lines(60, 4)) == R"(running  2 vCPUs  iothreads io0
disk0 read            2M/s             ▁▄▆█▄  most 6M/s
disk0 write            0/s             ▁▁▁▁▁  most 0/s
disk0 operations     512/s             ▁▄▆█▄  most 1536/s
)");
    CHECK(text_of(top.lines(60, 3)) == R"(running  2 vCPUs  iothreads io0
disk0 read      2M/s                   ▁▄▆█▄  most 6M/s
2 more are not shown
)");
    std::setlocale(LC_CTYPE, "C");
    CHECK(text_of(top.lines(60, 10)).find("_-+#-  most 6M/s") != std::string::npos);
}

TEST_CASE("A counter that goes back, a clock that stands and a disk that goes make no rates") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Top top;
    const auto reads = [&](std::uint64_t bytes, std::int64_t when) {
        absorb(top, "query-blockstats", Json::array({disk("disk0", bytes, 0), disk("disk0", bytes, 0)}),
               when);
        return squeezed(top.lines(60, 20));
    };
    CHECK(reads(1 << 20, second).find("disk0 read - ") != std::string::npos);
    CHECK(reads(0, 2 * second).find("disk0 read - ") != std::string::npos);
    CHECK(reads(4096, 2 * second).find("disk0 read - ") != std::string::npos);
    CHECK(reads(8192, 3 * second).find("disk0 read 4K/s") != std::string::npos);
    CHECK(reads(8192, 4 * second).find("disk0 (2) read 0/s") != std::string::npos);
    absorb(top, "query-blockstats", Json::array(), 5 * second);
    CHECK(text_of(top.lines(60, 20)).find("disk0") == std::string::npos);
}

TEST_CASE("Exits of the processors are shown where KVM counts them") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Top top;
    CHECK(asks(top, "query-stats"));
    absorb(top, "query-cpus-fast", saved_replies("7.2")["query-cpus-fast"], 0);
    for (int i = 0; i < 3; ++i)
        absorb(top, "query-stats",
               Json::parse(fmt::format(R"([{{"provider": "kvm",
            "qom-path": "/machine/unattached/device[2]", "stats": [{{"name": "exits", "value": {}}}]}}])",
                                       i * 25000)),
               i * second);
    CHECK(squeezed(top.lines(60, 3)).find("vCPU 1 exits 25k/s") != std::string::npos);

    // TCG: an empty list. QEMU 7.0: no such command.
    Top tcg;
    absorb(tcg, "query-stats", Json::array(), 0);
    CHECK_FALSE(asks(tcg, "query-stats"));
    CHECK(text_of(tcg.lines(80, 9)).find("only with KVM") != std::string::npos);
    Top old_one;
    old_one.absorb("query-stats", nullptr, 0);
    CHECK_FALSE(asks(old_one, "query-stats"));
}

TEST_CASE("What a VM does not have is not asked for twice") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Top top(3);
    CHECK(asks(top, "query-balloon"));
    for (int i = 1; i < 6; ++i)
        absorb(top, "query-balloon", Json::object({{"actual", 268435456 * i}}), i * second);
    CHECK(squeezed(top.lines(60, 3)).find("balloon memory 1.3G") != std::string::npos);
    // Only the last three are in the curve.
    CHECK(text_of(top.lines(60, 3)).find(" ▆▇█  most 1.3G") != std::string::npos);
    top.absorb("query-balloon", nullptr, 9 * second);
    CHECK_FALSE(asks(top, "query-balloon"));
    CHECK(text_of(top.lines(60, 3)).find("balloon") == std::string::npos);
    top.absorb("query-iothreads", nullptr, 0);
    CHECK_FALSE(asks(top, "query-iothreads"));
}

TEST_CASE("Top is as small as the screen, whatever it is told") {
    Top top;
    for (const auto* locale : {"C", "C.UTF-8"}) {
        std::setlocale(LC_CTYPE, locale);
        for (int i = 0; i < 3; ++i)
            absorb(top, "query-blockstats", Json::array({disk("文文\x1b[2J", i * 4096, 1), disk("b", i, i)}),
                   i * second);
        for (std::size_t columns = 0; columns < 70; ++columns) {
            for (std::size_t rows = 0; rows < 12; ++rows) {
                const auto lines = top.lines(columns, rows);
                CHECK(lines.size() <= rows);
                CHECK(widest(lines) <= columns);
            }
        }
        CHECK(text_of(top.lines(70, 9)).find('\x1b') == std::string::npos);
    }
    auto replies = saved_replies("7.2");
    for (const auto* command : {"query-blockstats", "query-cpus-fast", "query-iothreads"})
        for_each_damage(replies[command], replies[command], 4,
                        [&](const Json& damaged) { absorb(top, command, damaged, 9 * second); });
    absorb(top, "query-status", Json(1), 0);
    absorb(top, "query-stats", Json::parse(R"([1, {"stats": [1, {"name": "exits"}]}])"), 0);
    CHECK(top.lines(60, 3).size() == 3);
}
