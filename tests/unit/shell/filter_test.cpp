// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/filter.hpp"

#include "hostile.hpp"
#include "shell/json_path.hpp"
#include "support/catch.hpp"

using namespace qvm::shell;

namespace {

std::vector<Item> examples() {
    std::vector<Item> items(6);
    items[0].kind = ItemKind::Command;
    items[0].name = "blockdev-add";
    items[0].edit_command().sent =
        R"({"execute": "blockdev-add", "arguments": {"node-name": "d0", "driver": "qcow2", "file": {"driver": "file"}}})";
    items[0].received = R"({"return": {}})";
    items[0].began = 1000;
    items[0].edit_command().ended = 1000 + 250'000;
    items[1].kind = ItemKind::Command;
    items[1].name = "query-block";
    items[1].state = ItemState::Error;
    items[1].edit_command().sent = R"({"execute": "query-block"})";
    items[1].received = R"({"error": {"class": "CommandNotFound", "desc": "No"}})";
    items[1].began = 1;
    items[1].edit_command().ended = 2;
    items[1].edit_command().client = "virt-manager";
    items[2].kind = ItemKind::Event;
    items[2].name = "BLOCK_JOB_COMPLETED";
    items[2].received =
        R"({"event": "BLOCK_JOB_COMPLETED", "data": {"device": "d0", "len": 10, "ok": [1, {"x": "y"}]}})";
    items[3].kind = ItemKind::Event;
    items[3].name = "STOP";
    items[3].received = R"({"event": "STOP"})";
    items[4].name = "the block layer says hello";
    items[5].kind = ItemKind::Command;
    items[5].name = "stop";
    items[5].state = ItemState::Pending;
    items[5].edit_command().sent = R"({"execute": "stop"})";
    return items;
}

/// Which of the examples match, as their places: "02".
std::string matching(const std::string& text) {
    const auto parsed = Filter::parse(text);
    if (const auto* error = std::get_if<FilterError>(&parsed))
        return std::to_string(error->column) + ": " + error->message;
    std::string places;
    const auto items = examples();
    for (std::size_t i = 0; i < items.size(); ++i)
        if (std::get<Filter>(parsed).matches(items[i])) places += static_cast<char>('0' + i);
    return places;
}

}  // namespace

TEST_CASE("A word is part of a name, a pattern all of it") {
    CHECK(matching("") == "012345");
    CHECK(matching("block") == "0124");
    CHECK(matching("BLOCK") == "0124");
    CHECK(matching("stop") == "35");
    CHECK(matching("block*") == "02");
    CHECK(matching("*block") == "1");
    CHECK(matching("s?op") == "35");
    CHECK(matching("'block layer'") == "4");
    CHECK(matching("\"block layer\"") == "4");
    CHECK(matching("the\" bl\"ock") == "4");
}

TEST_CASE("Operators of kinds, states, bodies, members, clients, durations") {
    CHECK(matching("~e") == "23");
    CHECK(matching("~e stop") == "3");
    CHECK(matching("~c") == "015");
    CHECK(matching("~c st*") == "5");
    CHECK(matching("~n") == "4");
    CHECK(matching("~n hello") == "4");
    CHECK(matching("~err") == "1");
    CHECK(matching("~pending") == "5");
    CHECK(matching("~lost").empty());
    CHECK(matching("~b d0") == "02");
    CHECK(matching("~b '\"driver\": \"file\"'") == "0");
    CHECK(matching("~client virt") == "1");
    CHECK(matching("~t >100ms") == "0");
    CHECK(matching("~t < 100ms") == "1");
    CHECK(matching("~t >0us") == "01");
    CHECK(matching("~d device=d0") == "2");
    CHECK(matching("~d node-name=D?") == "0");
    CHECK(matching("~d file.driver=file") == "0");
    CHECK(matching("~d arguments.file.driver=file") == "0");
    CHECK(matching("~d class=CommandNotFound") == "1");
    CHECK(matching("~d .error.desc=no") == "1");
    CHECK(matching("~d len=10") == "2");
    CHECK(matching("~d ok[1].x=y") == "2");
    CHECK(matching("~d ok[].x=y") == "2");
    CHECK(matching("~d ok.0=1") == "2");
    CHECK(matching("~d len") == "2");
}

TEST_CASE("Conditions are joined") {
    CHECK(matching("~e block") == "2");
    CHECK(matching("~e & block") == "2");
    CHECK(matching("~e | ~c") == "01235");
    CHECK(matching("!~e !~c") == "4");
    CHECK(matching("! (~e | ~c)") == "4");
    CHECK(matching("!!~e") == "23");
    CHECK(matching("~c query|~e stop") == "13");
    CHECK(matching("~c (query|stop)") == "15");
    CHECK(matching("~c & (query|stop)") == "15");
    CHECK(matching("(~c)(stop)") == "5");
    CHECK(matching("block & job|stop") == "235");
}

TEST_CASE("A mistake has its column, and what was expected") {
    CHECK(matching("(a") == "1: '(' is not closed: a ')' is expected at the end");
    CHECK(matching("a)") == "2: ')' closes nothing: remove it, or put '(' before it");
    CHECK(matching("a &") == "4: a name, '~' and an operator, '!' or '(' is expected here");
    CHECK(matching("a | | b") == "5: a name, '~' and an operator, '!' or '(' is expected before '|'");
    CHECK(matching("()") == "2: a name, '~' and an operator, '!' or '(' is expected before ')'");
    CHECK(matching("~pendin") == "1: there is no operator '~pendin': did you mean '~pending'?");
    CHECK_THAT(matching("a ~qqqqqqqqqq"), ContainsSubstring("3: there is no operator '~qqqqqqqqqq': ~e, ~c"));
    CHECK(matching("~b") == "3: the text to look for after ~b is expected here");
    CHECK(matching("a 'b") == "3: the quote is not closed: a ' is expected at the end");
    CHECK(matching("''") == "1: a name, '~' and an operator, '!' or '(' is expected, not an empty one");
    CHECK(matching("~t 100ms") == "4: > or < is expected before the duration, as in >100ms");
    CHECK(matching("~t >100") ==
          "4: '100' is not a duration: write a number and ms, s, m or h, as in \"30s\"");
    CHECK(
        matching("~d a..b=1") ==
        "4: 'a..b' is no path: names and [INDEX] with dots between are expected, as in return[0].node-name");
    CHECK(matching(std::string(100'000, '(')) == "201: parentheses are nested too deeply");
    for (const auto& text : qvm::test::hostile_texts())
        for (const auto* prefix : {"", "~", "~d ", "~t ", "~t >", "("})
            CHECK(qvm::test::danger_in(matching(prefix + text)).empty());
}

TEST_CASE("Paths name places in JSON") {
    const auto at = [](std::string_view json, std::string_view path) {
        const auto parsed = JsonPath::parse(path);
        std::string found;
        if (!parsed) return std::string("no path");
        for (const auto value : json_values_at(json, *parsed)) found += std::string(value) + ";";
        return found;
    };
    const auto* json = R"({"a": [{"b": 1}, {"b": [2]}, 3], "c.d": {"": 4}, "5": 6})";
    CHECK(at(json, "a[1].b") == "[2];");
    CHECK(at(json, ".a[1].b[0]") == "2;");
    CHECK(at(json, ".a[].b") == "1;[2];");
    CHECK(at(json, "a.2") == "3;");
    CHECK(at(json, "5") == "6;");
    CHECK(at(json, R"(."c.d"."")") == "4;");
    CHECK(at(json, "a[9]").empty());
    CHECK(at(json, "a.b").empty());
    CHECK(at("[1, [2, 3]]", ".[1][0]") == "2;");
    CHECK(at("[1, [2, 3]]", "[1]") == "[2, 3];");
    CHECK(at("[1,", ".") == "[1,;");
    for (const auto* wrong : {"", "..", "a.", "a..b", "a[", "a[x]", "a[1]b", "a[-1]", ".\"a", "[1"})
        CHECK(at(json, wrong) == "no path");
}
