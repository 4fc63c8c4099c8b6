// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/hmp_text.hpp"

#include <clocale>

#include "support/saved_qemu.hpp"
#include "unit/shell/pictures.hpp"

using namespace qvm;
using namespace qvm::shell;
using namespace qvm::test;

TEST_CASE("The monitor's text becomes lines") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Hmp hmp;
    const auto lines =
        hmp.answer("info status", "VM status: paused\r\n\r\na\tb\r\n\x1b[31mred\r\nno end", 12);
    CHECK(text_of(lines) == "VM status: p\naused\n\na       b\n\\x1b[31mred\nno end\n");
    CHECK(hmp.answer("stop", "", 80).empty());
    CHECK(hmp.answer("stop", "text", 0).empty());
}

TEST_CASE("The chosen CPU is kept, as QEMU forgets it") {
    Hmp hmp;
    CHECK(hmp.arguments("info registers") == R"({"command-line":"info registers"})");
    hmp.answer("cpu 9", "invalid CPU index\r\n", 80);
    CHECK_FALSE(hmp.cpu());
    hmp.answer("cpu 1", "", 80);
    CHECK(hmp.cpu() == 1U);
    CHECK(hmp.arguments("info registers") == R"({"command-line":"info registers","cpu-index":1})");
    // The one before may be unplugged.
    CHECK(hmp.arguments(" cpu 0x0 ") == R"({"command-line":" cpu 0x0 "})");
    hmp.answer(" cpu 0x0 ", "", 80);
    CHECK(hmp.cpu() == 0U);
    for (const auto* line : {"cpu", "cpu x", "cpu 1 2", "cpu 99999999999", "cpus 3", "cpu -1", "cpu 0x"}) {
        hmp.answer(line, "", 80);
        CHECK(hmp.cpu() == 0U);
    }
    CHECK(Json::parse(hmp.arguments("a\"b\\\xff"))["command-line"] == "a\"b\\\xef\xbf\xbd");
}

TEST_CASE("A line of the monitor names its QMP command") {
    REQUIRE(hmp_hint("info status") != nullptr);
    CHECK(hmp_hint("info status")->qmp == "query-status");
    CHECK(hmp_hint("  info   block  -v d0")->qmp == "query-block");
    CHECK(hmp_hint("c")->qmp == "cont");
    CHECK(hmp_hint("xp/8xw 0")->qmp == "pmemsave");
    for (const auto* line : {"", "info", "info network", "info registers", "gdbserver", "conti", "x-colo"})
        CHECK(hmp_hint(line) == nullptr);
    CHECK(text_of({hint_line("balloon 512"), hint_line("stop"), hint_line("log")}) ==
          "QMP: balloon (in bytes, not MiB)\nQMP: stop\n\n");
}

TEST_CASE("Every hint is a command of QEMU") {
    const auto& schema = saved_qemu().schema;
    for (const auto& hint : hmp_hints()) {
        INFO(hint.command);
        CHECK(schema.command(hint.qmp) != nullptr);
        CHECK(hmp_hint(hint.command) == &hint);
    }
}
