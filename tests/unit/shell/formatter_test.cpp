// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/formatter.hpp"

#include <chrono>
#include <clocale>

#include "hostile.hpp"
#include "support/catch.hpp"

using namespace qvm::shell;
using qvm::test::texts_of;

namespace {

constexpr std::int64_t at_11_28 = (11 * 3600 + 28 * 60 + 1) * 1'000'000L + 2300;
constexpr std::array all_modes{ViewMode::Summary,    ViewMode::JsonSummary, ViewMode::Json,
                               ViewMode::PrettyJson, ViewMode::Raw,         ViewMode::Typed};

Item command(std::string name, std::string arguments, std::string received = {},
             ItemState state = ItemState::Ok) {
    Item item;
    item.kind = ItemKind::Command;
    item.state = state;
    item.began = at_11_28;
    item.edit_command().ended = at_11_28 + 60'000'000;
    item.edit_command().sent =
        "{\"execute\": \"" + name + "\", \"arguments\": " + arguments + ", \"id\": \"qvm-1\"}";
    item.name = std::move(name);
    item.received = std::move(received);
    return item;
}

Item event(std::string name, std::string data) {
    Item item;
    item.kind = ItemKind::Event;
    item.began = at_11_28;
    item.received = R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": ")" + name +
                    R"(", "data": )" + data + "}";
    item.name = std::move(name);
    return item;
}

Item notice(std::string text, ItemState state = ItemState::Ok) {
    Item item;
    item.began = at_11_28;
    item.state = state;
    item.name = std::move(text);
    return item;
}

std::string summary(const Item& item, std::size_t columns = 80) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    FormatOptions options;
    options.columns = columns;
    const auto lines = format(item, ViewMode::Summary, options);
    REQUIRE(lines.size() == 1);
    CHECK(columns_of(lines[0]) <= columns);
    return texts_of(lines)[0];
}

std::vector<std::string> shown(const Item& item, ViewMode mode, FormatOptions options = {}) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    return texts_of(format(item, mode, options));
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("A command's summary: what, with what, and how it went, in words") {
    auto item =
        command("block-dirty-bitmap-add", R"({"node": "ide0hd0", "name": "b0"})", "", ItemState::Pending);
    CHECK(summary(item) == "[11:28] block-dirty-bitmap-add node=ide0hd0 name=b0 [Pending ...]");
    item.state = ItemState::Ok;
    item.received = R"({"return": {}, "id": "qvm-1"})";
    CHECK(summary(item) == "[11:28] block-dirty-bitmap-add node=ide0hd0 name=b0 [OK]");
    CHECK(summary(item, 52) == "[11:28] block-dirty-bitmap-add node=ide0hd0 na… [OK]");
    CHECK(summary(item, 20) == "[11:28] block-dirty…");
    item.state = ItemState::Lost;
    CHECK(summary(item) == "[11:28] block-dirty-bitmap-add node=ide0hd0 name=b0 [LOST]");
    item.state = ItemState::Error;
    item.received = R"({"error": {"class": "DeviceNotFound", "desc": "Cannot find 'ide0hd0'"}})";
    CHECK(summary(item, 100) ==
          "[11:28] block-dirty-bitmap-add node=ide0hd0 name=b0 [ERR] DeviceNotFound: Cannot find 'ide0hd0'");
    CHECK(summary(item, 80) ==
          "[11:28] block-dirty-bitmap-add node=ide0hd0 n… [ERR] DeviceNotFound: Cannot fin…");
    item.received = R"({"error": {"class": "GenericError", "desc": "No"}})";
    CHECK(summary(item) == "[11:28] block-dirty-bitmap-add node=ide0hd0 name=b0 [ERR] No");
    item.edit_command().client = "virt-manager";
    item.state = ItemState::Ok;
    item.received = R"({"return": {}})";
    CHECK(summary(item) == "[11:28] (virt-manager) block-dirty-bitmap-add node=ide0hd0 name=b0 [OK]");
}

TEST_CASE("A summary tells what was typed, and a taste of the reply where there is room") {
    auto item = command("query-status", "{}", R"({"return": {"status": "running", "running": true}})");
    CHECK(summary(item) == R"([11:28] query-status [OK] {"status": "running", "running": true})");
    CHECK(summary(item, 40) == R"([11:28] query-status [OK] {"status": "r…)");
    CHECK(summary(item, 30) == "[11:28] query-status [OK]");
    item.edit_command().typed = "query-status  a=0x10";
    CHECK(summary(item, 45) == "[11:28] query-status  a=0x10 [OK] {\"status\":…");
    item.edit_command().typed = "/alias-of-it";
    CHECK(summary(item, 30) == "[11:28] query-status [OK]");
}

TEST_CASE("Arguments are told as one would type them") {
    const auto item =
        command("x", R"({"id": "42", "b": true, "s": "a b", "n": 42, "o": {"k": [1, 2]}, "w": "on"})");
    CHECK(summary(item, 120) == R"([11:28] x id="42" b=true s="a b" n=42 o={"k": [1, 2]} w="on" [OK])");
}

TEST_CASE("An event, a run of events, a notice") {
    const auto item = event("BLOCK_JOB_COMPLETED", R"({"device": "d0", "len": 1024})");
    CHECK(summary(item) == "[11:28] * BLOCK_JOB_COMPLETED device=d0 len=1024");
    CHECK(summary(event("STOP", "{}")) == "[11:28] * STOP");
    FormatOptions options;
    options.fold = {2500, "RESUME/STOP"};
    for (const auto mode : all_modes)
        CHECK(shown(item, mode, options) == Texts{"[11:28] * RESUME/STOP x2500"});
    CHECK(shown(notice("connected\nto QEMU"), ViewMode::Summary) ==
          Texts{"[11:28] -- connected", "   to QEMU"});
    CHECK(shown(notice("gone", ItemState::Error), ViewMode::Typed) == Texts{"[11:28] !! gone"});
}

TEST_CASE("Linear views: the command where it was sent, the reply where it came") {
    const auto item = command("stop", "{}", R"({"return": {}})");
    CHECK(shown(item, ViewMode::JsonSummary) ==
          Texts{R"([11:28] -> {"execute": "stop", "arguments": {}, "id": "qvm-1"})",
                R"([11:29] <- {"return": {}})"});
    FormatOptions options;
    options.part = Part::Received;
    CHECK(shown(item, ViewMode::Raw, options) == Texts{R"([11:29] <- {"return": {}})"});
    options.part = Part::Sent;
    options.clock = Clock::None;
    options.columns = 30;
    CHECK(shown(item, ViewMode::JsonSummary, options) == Texts{R"(-> {"execute": "stop", "argum…)"});
    CHECK(shown(item, ViewMode::Json, options) ==
          Texts{R"(-> {"execute": "stop", "argume)", R"(nts": {}, "id": "qvm-1"})"});
    CHECK(shown(item, ViewMode::PrettyJson, options) ==
          Texts{"-> {", "  \"execute\": \"stop\",", "  \"arguments\": {},", "  \"id\": \"qvm-1\"", "}"});
    options.part = Part::Both;
    const auto lost = command("stop", "{}", "", ItemState::Lost);
    CHECK(shown(lost, ViewMode::Raw, {}).back() == "[11:29] <- [LOST] the connection ended before the reply");
    CHECK(shown(command("stop", "{}", "", ItemState::Pending), ViewMode::Raw, {}).size() == 1);
    CHECK(shown(event("STOP", "{}"), ViewMode::Raw, {}).size() == 2);
    options.part = Part::Sent;
    CHECK(shown(event("STOP", "{}"), ViewMode::Raw, options).empty());
}

TEST_CASE("The typed view has commands whole") {
    auto item = command("qom-get", R"({"path": "/machine", "property": "type"})", R"({"return": "pc"})");
    item.edit_command().typed = "qom-get path=/machine \\\n  property=type";
    CHECK(shown(item, ViewMode::Typed) ==
          Texts{"[11:28] > qom-get path=/machine \\", "     property=type", "  [OK] \"pc\""});
    item.edit_command().typed.clear();
    item.received = R"({"return": "some-machine-type"})";
    CHECK(shown(item, ViewMode::Typed) ==
          Texts{"[11:28] > qom-get path=/machine property=type", R"(  [OK] "some-machine-type")"});
}

TEST_CASE("What does not fit is left out, and told") {
    const auto item = command("x", "{}", "{\"return\": \"" + std::string(3'145'000, 'a') + "\"}");
    FormatOptions options;
    options.message_lines = 10;
    options.part = Part::Received;
    for (const auto mode : {ViewMode::Json, ViewMode::PrettyJson, ViewMode::Raw}) {
        const auto lines = shown(item, mode, options);
        CHECK(lines.size() == 11);
        CHECK_THAT(lines.back(), ContainsSubstring("... 3 144 2"));
        CHECK_THAT(lines.back(), ContainsSubstring(" bytes more: Enter shows them"));
    }
}

TEST_CASE("Megabytes cost nothing until they are looked at") {
    std::string many = "{\"return\": [";
    for (int i = 0; many.size() < 11'000'000; ++i)
        many += "{\"node-name\": \"n" + std::to_string(i) + "\"}, ";
    const auto reply = command("q", "{}", many + "1], \"id\": 1}");
    const auto sent = command("q", "{\"a\": \"" + std::string(3'000'000, 'x') + "\"}", "{\"return\": {}}");
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i)
        for (const auto mode : all_modes) {
            CHECK(format(reply, mode, {}).size() <= 107);
            CHECK(format(sent, mode, {}).size() <= 107);
        }
    const auto took = std::chrono::steady_clock::now() - begin;
    CHECK(took < std::chrono::seconds(10));  // without optimisation
    CHECK_THAT(summary(sent), ContainsSubstring("… [OK]"));
}

TEST_CASE("Times are those of the zone asked for") {
    FormatOptions options;
    CHECK(time_text(at_11_28, options) == "11:28");
    options.clock = Clock::Seconds;
    CHECK(time_text(at_11_28, options) == "11:28:01");
    options.clock = Clock::Microseconds;
    CHECK(time_text(at_11_28, options) == "11:28:01.002300");
    CHECK(time_text(-1, options) == "23:59:59.999999");
    options.clock = Clock::Minutes;
    options.utc_offset = [](std::int64_t) -> std::int64_t { return -12 * 3600; };
    CHECK(time_text(at_11_28, options) == "23:28");
    options.clock = Clock::None;
    CHECK(time_text(at_11_28, options).empty());
    CHECK(grouped(3145000) == "3 145 000");
    CHECK(grouped(12) == "12");
}

TEST_CASE("Views have names and an order") {
    auto mode = ViewMode::Summary;
    for (int i = 0; i < 4; ++i) mode = next_view(mode);
    CHECK(mode == ViewMode::Summary);
    CHECK(next_view(ViewMode::Raw) == ViewMode::Summary);
    for (const auto each : all_modes) CHECK(view_named(name_of(each)) == each);
    CHECK_FALSE(view_named("nice"));
}

TEST_CASE("Nothing hostile gets through, whatever it comes in") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    for (const auto& text : qvm::test::hostile_texts()) {
        const auto hostile_command = [&text] {
            return command(text, "{\"" + text + "\": \"" + text + "\", \"b\": " + text + "}",
                           "{\"return\": {\"" + text + "\": [\"" + text + "\"" + text + "]}}");
        };
        auto one = hostile_command();
        auto other = event(text, "{\"" + text + "\": \"" + text + "\"}");
        auto failed = hostile_command();
        failed.state = ItemState::Error;
        failed.received = "{\"error\": {\"class\": \"" + text + "\", \"desc\": \"" + text + "\"}}";
        failed.edit_command().client = text;
        auto typed = hostile_command();
        typed.edit_command().typed = text + " " + text;
        auto told = notice(text, ItemState::Error);
        for (const auto mode : all_modes)
            for (const auto* item : {&one, &other, &failed, &typed, &told})
                for (const std::size_t columns : {std::size_t{1}, std::size_t{20}, std::size_t{200}}) {
                    FormatOptions options;
                    options.columns = columns;
                    options.fold.names = text;
                    const auto lines = format(*item, mode, options);
                    CHECK(qvm::test::danger_in(lines) == "");
                    for (const auto& line : lines)
                        CHECK(columns_of(line) <= std::max<std::size_t>(2, columns));
                }
    }
}
