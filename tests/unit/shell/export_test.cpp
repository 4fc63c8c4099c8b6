// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/export.hpp"

#include <cstdlib>

#include "base/json.hpp"
#include "base/shell_word.hpp"
#include "hostile.hpp"
#include "shell/json_diff.hpp"
#include "shell/messages.hpp"
#include "shell/replay.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm::shell;
using qvm::quote_shell;

namespace {

Item command(std::string name, std::string sent, std::int64_t began, std::string received,
             ItemState state = ItemState::Ok) {
    Item item;
    item.kind = ItemKind::Command;
    item.state = state;
    item.name = std::move(name);
    item.edit_command().sent = std::move(sent);
    item.began = began;
    item.edit_command().ended = began + 10;
    item.received = std::move(received);
    return item;
}

Item event(std::string name, std::string data, std::int64_t began) {
    Item item;
    item.kind = ItemKind::Event;
    item.received = R"({"event": ")" + name + R"(", "data": )" + data + "}";
    item.name = std::move(name);
    item.began = began;
    return item;
}

void fill(Transcript& transcript) {
    transcript.append(
        command("qmp_capabilities", R"({"execute": "qmp_capabilities"})", 1, R"({"return": {}})"));
    transcript.append(command(
        "blockdev-add",
        R"({"execute": "blockdev-add", "arguments": {"driver": "qcow2", "node-name": "it's $HOME", "ro": true, "file": {"driver": "file", "filename": "/a"}}, "id": 1})",
        100, R"({"return": {}})"));
    transcript.append(event("JOB_STATUS_CHANGE", R"({"status": "running", "id": "j"})", 105));
    for (int i = 0; i < 3; ++i) transcript.append(event("STOP", "{}", 120));
    transcript.append(command("yank", R"({"exec-oob": "yank", "arguments": {}, "id": 2})", 200,
                              R"({"error": {"class": "GenericError", "desc": "no"}})", ItemState::Error));
    transcript.append(command("x", "{\"oops", 300, "", ItemState::Lost));
    transcript.append(command("set_password",
                              R"({"execute": "set_password", "arguments": {"password": "p"}})", 400, "",
                              ItemState::Lost));
}

std::string exported(ExportFormat format) {
    Transcript transcript;
    fill(transcript);
    return export_items(all_items(transcript), format);
}

/// What python3 says to a program that it only compiles; "" when all is well.
std::string python_says(const std::string& program) {
    const qvm::test::TemporaryDirectory directory;
    const auto path = directory.write("program.py", program).string();
    const auto line = "python3 -c 'import ast,sys; ast.parse(open(sys.argv[1]).read())' '" + path + "' > '" +
                      path + ".out' 2>&1";
    if (std::system(line.c_str()) == 0) return {};
    return program;
}

std::vector<std::string> diff(std::string_view a, std::string_view b) {
    return qvm::test::texts_of(diff_json(a, b));
}
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("An export to sh has safe quotes, and nothing of the protocol") {
    CHECK(exported(ExportFormat::Shell) ==
          R"(#!/bin/sh
# Made from a session of qvm attach. usage: $0 NAME
set -eu
vm=${1:?the name of a VM is expected}

qvm qmp "$vm" '{"execute": "blockdev-add", "arguments": {"driver": "qcow2", "node-name": "it'\''s $HOME", "ro": true, "file": {"driver": "file", "filename": "/a"}}}'
qvm qmp "$vm" '{"exec-oob": "yank"}' || true
# left out, as it is no command: {"oops"
# A secret was masked here: fill it in.
qvm qmp "$vm" '{"execute": "set_password", "arguments": {"password": "********"}}'
)");
    CHECK(quote_shell("a'b\n") == "'a'\\''b\n'");
}

TEST_CASE("An export to Python waits for what came in between") {
    const auto text = exported(ExportFormat::Python);
    CHECK_THAT(text, ContainsSubstring(R"(        with qmp.listener() as events:
            await run(qmp, 'blockdev-add', {
                'driver': 'qcow2',
                'node-name': 'it\'s $HOME',
                'ro': True,
                'file': {
                    'driver': 'file',
                    'filename': '/a'
                }
            })
            await wait(events, 'JOB_STATUS_CHANGE')
            for _ in range(3):
                await wait(events, 'STOP')
            await run(qmp, 'yank', oob=True)
            # then: {"class": "GenericError", "desc": "no"}
            # left out, as it is no command: {"oops"
            # A secret was masked here: fill it in.
            await run(qmp, 'set_password', {'password': '********'})
            print('done')
)"));
    CHECK(python_says(text).empty());
    CHECK(python_says(export_items({}, ExportFormat::Python)).empty());
}

TEST_CASE("An export to an iotest matches events by what stays the same") {
    const auto text = exported(ExportFormat::Iotest);
    CHECK_THAT(text, ContainsSubstring(R"(    vm.launch()

    log(vm.qmp('blockdev-add', {
        'driver': 'qcow2',
        'node-name': 'it\'s $HOME',)"));
    CHECK_THAT(
        text,
        ContainsSubstring(
            R"(    log(vm.event_wait('JOB_STATUS_CHANGE', match={'data': {'id': 'j', 'status': 'running'}}),
        filters=[filter_qmp_event])
    for _ in range(3):
        log(vm.event_wait('STOP'),
            filters=[filter_qmp_event])
    log(vm.qmp('yank'))
)"));
    CHECK(python_says(text).empty());
}

TEST_CASE("An export to JSON is what a log has, as an array") {
    const auto json = qvm::Json::parse(exported(ExportFormat::Json));
    REQUIRE(json.size() == 12);
    CHECK(json[2]["msg"]["execute"] == "blockdev-add");
    CHECK(json[3]["msg"]["event"] == "JOB_STATUS_CHANGE");
    CHECK(json[4]["msg"]["return"] == qvm::Json::object());
    CHECK(json[10]["raw"] == "{\"oops");
    CHECK(qvm::Json::parse(export_items({}, ExportFormat::Json)).empty());
}

TEST_CASE("Formats of an export have names") {
    for (const auto* name : {"json", "sh", "python", "iotest"})
        CHECK(name_of(*export_format_named(name)) == std::string(name));
    CHECK_FALSE(export_format_named("perl"));
}

TEST_CASE("What is hostile is escaped in programs, and says the same") {
    CHECK(python_expression(R"({"a": "\ud83d\ude42é'\"\u001b\/\\", "b": null})") ==
          R"({'a': '\U0001f642\u00e9\'"\u001b/\\', 'b': None})");
    for (const auto& text : qvm::test::hostile_texts()) {
        Transcript transcript;
        transcript.append(command(
            text, "{\"execute\": \"" + text + "\", \"arguments\": {\"" + text + "\": \"" + text + "\"}}", 1,
            "{\"error\": {\"desc\": \"" + text + "\"}}", ItemState::Error));
        transcript.append(event(text, "{\"id\": \"" + text + "\"}", 2));
        for (const auto format : {ExportFormat::Shell, ExportFormat::Python, ExportFormat::Iotest}) {
            const auto program = export_items(all_items(transcript), format);
            for (const char c : program) CHECK((c == '\n' || (c >= ' ' && c < '\x7f')));
            if (format != ExportFormat::Shell) CHECK(python_says(program).empty());
        }
    }
}

TEST_CASE("Two values are compared place by place") {
    CHECK(diff(R"({"a": 1, "b": [1, 2]})", R"({"b": [1, 2], "a": 1})") == Texts{"no differences"});
    CHECK(diff(R"({"a": 1, "b": {"c d": true}, "x": 0})", R"({"a": 2, "b": {"c d": false}, "y": []})") ==
          Texts{"- .a: 1", "+ .a: 2", "- .b.\"c d\": true", "+ .b.\"c d\": false", "- .x: 0", "+ .y: []"});
    CHECK(diff("[1, 2, 3]", "[1, 4]") == Texts{"- [1]: 2", "+ [1]: 4", "- [2]: 3"});
    CHECK(diff("1", "\"1\"") == Texts{"- .: 1", "+ .: \"1\""});
    CHECK(diff("18446744073709551615", "18446744073709551614") ==
          Texts{"- .: 18446744073709551615", "+ .: 18446744073709551614"});
    CHECK(
        diff(
            R"({"return": [{"node-name": "a", "ro": true}, {"node-name": "b", "ro": true}]})",
            R"({"return": [{"node-name": "n", "ro": true}, {"node-name": "a", "ro": false}, {"node-name": "b", "ro": true}]})") ==
        Texts{"- .return[node-name=a].ro: true", "+ .return[node-name=a].ro: false",
              R"(+ .return[node-name=n]: {"node-name":"n","ro":true})"});
    CHECK(diff("{\"a", "{}") == Texts{"- .: {\"a", "+ .: {}"});
    CHECK(diff(std::string(100'000, '['), "[]").size() == 2);
    const auto deep = std::string(5000, '[') + std::string(5000, ']');
    CHECK(diff(deep, "[]").size() == 2);
    CHECK(diff(deep, deep) == Texts{"no differences"});
    CHECK(compare_messages(R"({"return": 1, "id": "a"})", R"({"return": 1, "id": "b"})").empty());
    for (const auto& text : qvm::test::hostile_texts()) {
        CHECK(qvm::test::danger_in(diff_json(text, "{}")).empty());
        CHECK(qvm::test::danger_in(diff_json("{\"" + text + "\": \"" + text + "\"}", "{}")).empty());
    }
}

TEST_CASE("A session becomes steps, with what came back then") {
    Transcript transcript;
    fill(transcript);
    const auto replay = replay_of(all_items(transcript), ReplayTiming::AsThen);
    REQUIRE(replay.steps.size() == 3);
    CHECK(replay.steps[0].command == "blockdev-add");
    CHECK(replay.steps[0].delay == 0);
    CHECK_FALSE(replay.steps[0].oob);
    CHECK(replay.steps[1].command == "yank");
    CHECK(replay.steps[1].delay == 100);
    CHECK(replay.steps[1].oob);
    CHECK(replay.steps[1].state == ItemState::Error);
    CHECK(replay.steps[1].item == 7);
    CHECK(replay.left_out == Texts{"item 8 is no command: {\"oops"});
    CHECK(replay_of(all_items(transcript), ReplayTiming::AtOnce).steps[1].delay == 0);
    CHECK(compare_replay(replay.steps[0], R"({"return": {}, "id": 9})").empty());
    CHECK(compare_replay(replay.steps[1], R"({"return": {}})").size() == 2);

    Transcript loaded;
    loaded.append(command("set_password",
                          R"({"execute": "set_password", "arguments": {"password": "********"}})", 1, ""));
    CHECK(replay_of(all_items(loaded), ReplayTiming::AtOnce).left_out ==
          Texts{"item 1, set_password, had a secret, which the log does not hold"});
}
