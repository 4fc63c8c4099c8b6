// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/transcript_file.hpp"

#include <csignal>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "hostile.hpp"
#include "shell/json_text.hpp"
#include "shell/secrets.hpp"
#include "shell/transcript_loader.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm::shell;

namespace {

Item command(std::string name, std::string sent) {
    Item item;
    item.kind = ItemKind::Command;
    item.state = ItemState::Pending;
    item.name = std::move(name);
    item.edit_command().sent = std::move(sent);
    item.began = 1'636'111'681'002'300;
    return item;
}

Item event(std::string name, std::string received) {
    Item item;
    item.kind = ItemKind::Event;
    item.name = std::move(name);
    item.received = std::move(received);
    item.began = 1'636'111'682'000'000;
    return item;
}

/// Two commands whose replies come in the other order, events, notices.
void fill(Transcript& transcript) {
    auto first = command("query-status", R"({"execute": "query-status", "id": "qvm-1"})");
    first.edit_command().typed = "query-status";
    transcript.append(std::move(first));
    auto second = command("stop", R"({"execute": "stop", "id": "qvm-2"})");
    second.edit_command().client = "virt-manager";
    transcript.append(std::move(second));
    transcript.append(event("STOP", R"({"event": "STOP"})"));
    transcript.finish(2, ItemState::Ok, R"({"return": {}, "id": "qvm-2"})", 1'636'111'683'000'000);
    transcript.finish(1, ItemState::Error,
                      R"({"error": {"class": "GenericError", "desc": "no"}, "id": "qvm-1"})",
                      1'636'111'684'000'001);
    Item notice;
    notice.name = "the connection\nended";
    notice.state = ItemState::Error;
    notice.began = 1'636'111'685'000'000;
    transcript.append(std::move(notice));
    auto raw = command("(no command)", "{\"oops\xff\n");
    raw.began = 1'636'111'686'000'000;
    transcript.append(std::move(raw));
    transcript.lose_pending(1'636'111'687'000'000);
}

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    CHECK(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777U;
}

std::vector<std::string> load(Transcript& transcript, std::string_view text, std::size_t piece = 100'000) {
    TranscriptLoader loader(transcript);
    while (!text.empty()) {
        loader.feed(text.substr(0, piece));
        text.remove_prefix(std::min(piece, text.size()));
    }
    loader.finish();
    std::vector<std::string> items;
    for (const auto& item : transcript.items())
        items.push_back(item.name +
                        (item.kind == ItemKind::Command ? std::string(" ") + name_of(item.state) : ""));
    return items;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A transcript that was saved is loaded as it was") {
    const qvm::test::TemporaryDirectory directory;
    Transcript transcript;
    fill(transcript);
    const auto path = directory.path() / "session.jsonl";
    save_transcript(all_items(transcript), path);
    CHECK(mode_of(path) == 0600);
    CHECK_THROWS_AS(save_transcript(all_items(transcript), path), qvm::SystemError);
    const auto text = qvm::read_file(path).bytes;
    CHECK(text.starts_with(R"({"t":1636111681.002300,"n":1,"dir":"client","typed":"query-status",)"
                           R"("msg":{"execute": "query-status", "id": "qvm-1"}})"));
    CHECK_THAT(text,
               ContainsSubstring(R"("dir":"note","msg":{"text":"the connection\nended","error":true})"));
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
        CHECK(is_json(text.substr(at, text.find('\n', at) - at)));

    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
        Transcript loaded;
        load(loaded, text, piece);
        REQUIRE(loaded.items().size() == transcript.items().size());
        for (std::uint64_t number = 1; number < transcript.next(); ++number) {
            const auto& was = *transcript.find(number);
            const auto& is = *loaded.find(number);
            CHECK(is.kind == was.kind);
            CHECK(is.state == was.state);
            CHECK(is.name == was.name);
            CHECK(is.began == was.began);
            CHECK(is.sent() == was.sent());
            CHECK(is.received == was.received);
            CHECK(is.typed() == was.typed());
            CHECK(is.client() == was.client());
        }
    }
}

TEST_CASE("A log grows with the session, and is for its owner only") {
    const qvm::test::TemporaryDirectory directory;
    const auto path = directory.write("vm.jsonl", "");
    REQUIRE(::chmod(path.c_str(), 0644) == 0);
    TranscriptLog log(path);
    Transcript transcript;
    CHECK_FALSE(log.append(transcript.append(command("stop", R"({"execute":"stop"})")), Part::Sent));
    CHECK_FALSE(
        log.append(*transcript.finish(1, ItemState::Ok, R"({"return":{}})", 2'000'000), Part::Received));
    CHECK_FALSE(log.append(transcript.append(event("STOP", R"({"event":"STOP"})")), Part::Both));
    CHECK(mode_of(path) == 0600);
    CHECK(qvm::read_file(path).bytes ==
          "{\"t\":1636111681.002300,\"n\":1,\"dir\":\"client\",\"msg\":{\"execute\":\"stop\"}}\n"
          "{\"t\":2.000000,\"n\":1,\"dir\":\"server\",\"msg\":{\"return\":{}}}\n"
          "{\"t\":1636111682.000000,\"n\":2,\"dir\":\"server\",\"msg\":{\"event\":\"STOP\"}}\n");
    // A second session in the same file has the same numbers.
    TranscriptLog(path).append(command("cont", R"({"execute":"cont"})"), Part::Sent);
    Transcript loaded;
    CHECK(load(loaded, qvm::read_file(path).bytes) == Names{"stop OK", "STOP", "cont LOST"});
}

TEST_CASE("Old logs are put aside, and the oldest goes") {
    const qvm::test::TemporaryDirectory directory;
    const auto path = directory.path() / "vm.jsonl";
    TranscriptLog log(path, {.bytes = 100, .files = 3});
    for (int i = 0; i < 9; ++i)
        CHECK_FALSE(log.append(event("E", "{\"event\":\"E\",\"i\":" + std::to_string(i) + "}"), Part::Both));
    // Each line has 72 bytes: two to a file.
    CHECK_THAT(qvm::read_file(path).bytes, ContainsSubstring("\"i\":8"));
    CHECK_THAT(qvm::read_file(path.string() + ".1").bytes, ContainsSubstring("\"i\":7"));
    CHECK_THAT(qvm::read_file(path.string() + ".2").bytes, ContainsSubstring("\"i\":4"));
    CHECK_FALSE(std::filesystem::exists(path.string() + ".3"));
    CHECK(mode_of(path.string() + ".1") == 0600);
}

TEST_CASE("A full disk costs lines, is told once, and the log goes on when there is room") {
    const qvm::test::TemporaryDirectory directory;
    const auto path = directory.path() / "vm.jsonl";
    TranscriptLog log(path);
    struct rlimit before {};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto limit = [&](rlim_t bytes) {
        const struct rlimit now { bytes, before.rlim_max };
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &now) == 0);
    };
    const auto old = std::signal(SIGXFSZ, SIG_IGN);
    limit(100);
    const auto first = log.append(event("A", R"({"event":"A"})"), Part::Both);
    const auto second = log.append(event("B", R"({"event":"B"})"), Part::Both);
    const auto third = log.append(event("C", R"({"event":"C"})"), Part::Both);
    const auto size = std::filesystem::file_size(path);
    limit(before.rlim_cur);
    const auto fourth = log.append(event("D", R"({"event":"D"})"), Part::Both);
    std::signal(SIGXFSZ, old);
    CHECK_FALSE(first);
    REQUIRE(second);
    CHECK_THAT(*second, ContainsSubstring("cannot write the log '" + path.string() + "': File too large"));
    CHECK_FALSE(third);
    CHECK(size < 80);  // no half line
    REQUIRE(fourth);
    CHECK_THAT(*fourth, ContainsSubstring("2 messages are missing"));
    CHECK_FALSE(log.append(event("E", R"({"event":"E"})"), Part::Both));
    Transcript loaded;
    CHECK(load(loaded, qvm::read_file(path).bytes) ==
          Names{"A", "2 messages are missing here: File too large", "D", "E"});
}

TEST_CASE("A log that cannot be opened is told once") {
    TranscriptLog log("/nonexistent/vm.jsonl");
    const auto told = log.append(event("A", "{}"), Part::Both);
    REQUIRE(told);
    CHECK_THAT(*told, ContainsSubstring("No such file or directory"));
    CHECK_FALSE(log.append(event("A", "{}"), Part::Both));
}

TEST_CASE("Secrets are not written down") {
    CHECK(mask_sent(R"({"execute":"set_password","arguments":{"protocol":"vnc","p\u0061ssword":"x\"y"}})") ==
          R"({"execute":"set_password","arguments":{"protocol":"vnc","p\u0061ssword":"********"}})");
    CHECK(mask_sent(R"({"execute":"object-add","arguments":{"qom-type":"secret","id":"s","data":"x"}})") ==
          R"({"execute":"object-add","arguments":{"qom-type":"secret","id":"s","data":"********"}})");
    CHECK(mask_sent(R"({"execute":"object-add","arguments":{"qom-type":"secret","props":{"data":"x"}}})") ==
          R"({"execute":"object-add","arguments":{"qom-type":"secret","props":{"data":"********"}}})");
    for (const auto* kept :
         {R"({"execute":"object-add","arguments":{"qom-type":"x","data":"x"}})",
          R"({"execute":"blockdev-add","arguments":{"key-secret":"s0","password-secret":"s1"}})",
          R"({"return":{"password":true}})", R"({"execute":"expire_password","arguments":{"time":"now"}})",
          "{\"pass", R"({"password":})", "\x1b\xff{"})
        CHECK(mask_sent(kept) == kept);
    CHECK(mask_sent(R"({"execute":"change","arguments":{"device":"vnc","target":"password","arg":"x"}})") ==
          R"({"execute":"change","arguments":{"device":"vnc","target":"password","arg":"********"}})");
    CHECK(mask_sent(
              R"({"execute":"qom-set","arguments":{"path":"/objects/s","property":"data","value":"x"}})") ==
          R"({"execute":"qom-set","arguments":{"path":"/objects/s","property":"data","value":"********"}})");
    const auto hmp = [](const std::string& line) {
        return mask_sent(R"({"execute":"human-monitor-command","arguments":{"command-line":")" + line +
                         "\"}}");
    };
    CHECK_THAT(hmp("object_add secret,id=s,data=a,,b,format=raw"),
               ContainsSubstring("\"object_add secret,id=s,data=********,format=raw\""));
    CHECK_THAT(hmp("set_password vnc geheim x"), ContainsSubstring("\"set_password vnc ********\""));
    CHECK_THAT(hmp("change vnc password geheim"), ContainsSubstring("\"change vnc password ********\""));
    CHECK_THAT(hmp("info metadata=1"), ContainsSubstring("\"info metadata=1\""));
    const auto* get = R"({"execute":"qom-get","arguments":{"path":"/objects/s","property":"data"}})";
    CHECK(mask_received(R"({"return":"x","id":1})", get) == R"({"return":"********","id":1})");
    CHECK(mask_received(R"({"return":"x","id":1})", R"({"execute":"qom-get"})") ==
          R"({"return":"x","id":1})");

    auto item = command("set_password", R"({"execute":"set_password","arguments":{"password":"geheim"}})");
    item.edit_command().typed = "set_password password=geheim";
    CHECK_THAT(log_line(item, Part::Sent), !ContainsSubstring("geheim"));
}

TEST_CASE("Damaged lines are told, and nothing else is lost") {
    Transcript transcript;
    CHECK(load(transcript,
               "{\"t\":1,\"n\":1,\"dir\":\"client\",\"msg\":{\"execute\":\"a\"}}\n"
               "{\"t\":2,\"n\":1,\"dir\":\"server\",\"msg\":{\"ret\n"
               "\n"
               "hello \xff\n"
               "{\"t\":\"x\",\"dir\":\"client\",\"msg\":{}}\n"
               "{\"t\":3,\"dir\":\"sideways\",\"msg\":{}}\n"
               "{\"t\":3,\"dir\":\"note\"}\n"
               "{\"a\":1}\n"
               "{\"t\":3.5,\"n\":7,\"dir\":\"server\",\"msg\":{\"return\":{}}}\n"
               "{\"t\":4,\"n\":1,\"dir\":\"server\",\"msg\":{\"return\":{}}}") ==
          Names{"a OK",
                "line 2 is damaged: its JSON is broken: {\"t\":2,\"n\":1,\"dir\":\"server\",\"msg\":{\"ret",
                "line 4 is damaged: it is no JSON object, and no line of libvirt's log: hello \xff",
                "line 5 is damaged: it has no time \"t\": {\"t\":\"x\",\"dir\":\"client\",\"msg\":{}}",
                "line 6 is damaged: its \"dir\" is none of \"client\", \"server\" and \"note\": "
                "{\"t\":3,\"dir\":\"sideways\",\"msg\":{}}",
                "line 7 is damaged: it has no \"msg\": {\"t\":3,\"dir\":\"note\"}",
                "line 8 is damaged: it is neither a message nor a line of a transcript: {\"a\":1}",
                "line 9: a reply to no command in this file"});
    CHECK(transcript.find(1)->ended() == 4'000'000);
    CHECK(transcript.pending() == 0);
}

TEST_CASE("Plain QMP is read, with ids and without") {
    Transcript transcript;
    CHECK(load(transcript,
               "{\"QMP\": {\"version\": {}}}\r\n{\"execute\": \"a\"}\r\n{\"execute\": \"b\"}\n"
               "{\"exec-oob\": \"c\", \"id\": 1}\n{\"return\": {}, \"id\": 1}\n{\"return\": 1}\n"
               "{\"event\": \"STOP\"}\n{\"error\": {}}\n{\"execute\": \"d\"}\n") ==
          Names{"the server's greeting", "a OK", "b ERR", "c OK", "STOP", "d LOST"});
    CHECK(transcript.find(2)->received == "{\"return\": 1}");
}

TEST_CASE("A log of libvirt is read, several monitors as well") {
    const std::string log =
        "2022-03-09 17:29:34.100+0000: 20390: info : libvirt version: 8.0.0\n"
        "2022-03-09 17:29:34.200+0000: 20390: debug : qemuDomainObjEnterMonitorInternal:9869 : Entering "
        "(mon=0xa)\n"
        "2022-03-09 17:29:34.247+0000: 20390: info : qemuMonitorSend:995 : QEMU_MONITOR_SEND_MSG: mon=0xa "
        "msg={\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"migrate\"},\"id\":\"libvirt-390\"}\r\n "
        "fd=34\n"
        "2022-03-09 17:29:34.247+0000: 20387: info : qemuMonitorIOWrite:452 : QEMU_MONITOR_IO_WRITE: mon=0xa "
        "buf={\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"migrate\"},\"id\":\"libvirt-390\"}\r\n"
        " len=73 ret=73 errno=0\n"
        "2022-03-09 17:29:34.247+0000: 20387: info : qemuMonitorIOWrite:457 : QEMU_MONITOR_IO_SEND_FD: "
        "mon=0xa fd=34 "
        "ret=73 errno=0\n"
        "2022-03-09 17:29:34.248+0000: 20387: debug : qemuMonitorJSONIOProcessLine:220 : Line [{\"return\": "
        "{}, "
        "\"id\": \"libvirt-390\"}]\n"
        "2022-03-09 17:29:34.248+0000: 1: debug : qemuMonitorIOProcess:356 : QEMU_MONITOR_IO_PROCESS: "
        "mon=0xa "
        "buf={\"return\": {}, \"id\": \"libvirt-390\"}\r\n{\"event\": \"STOP\"}\r\n len=60\n"
        "2022-03-09 17:29:34.248+0000: 20387: info : qemuMonitorJSONIOProcessLine:240 : "
        "QEMU_MONITOR_RECV_REPLY: "
        "mon=0xa reply={\"return\": {}, \"id\": \"libvirt-390\"}\n"
        "2022-03-09 17:29:34.249+0000: 132544: info : qemuMonitorJSONIOProcessLine:235 : "
        "QEMU_MONITOR_RECV_EVENT: "
        "mon=0xa event={\"timestamp\": {\"seconds\": 1646649660, \"microseconds\": 927920}, \"event\": "
        "\"STOP\"}\n"
        "2022-03-09 17:29:35.247+0000: 2: info : qemuMonitorIOWrite:452 : QEMU_MONITOR_IO_WRITE: mon=0xb "
        "buf={\"execute\":\"cont\",\"id\":\"libvirt-390\"}^M\n len=9 ret=9 errno=0\n"
        "2022-03-09 17:29:35.248+0000: 2: info : qemuMonitorJSONIOProcessLine:240 : QEMU_MONITOR_RECV_REPLY: "
        "mon=0xb reply={\"id\": \"libvirt-390\", \"error\": {\"class\": \"GenericError\", \"desc\": "
        "\"no\"}}\n"
        "2022-03-09 17:29:36.248+0000: 2: info : x:1 : QEMU_MONITOR_RECV_REPLY: mon=0xb reply={\"id\n";
    Transcript transcript;
    const auto items = load(transcript, log);
    REQUIRE(items.size() == 5);
    CHECK(items[0] == "getfd OK");
    CHECK(items[1] == "STOP");
    CHECK(items[2] == "cont ERR");
    CHECK_THAT(items[3], ContainsSubstring("line 17 is damaged: its message is broken"));
    CHECK(items[4] == "4 of 17 lines are not about a monitor");
    CHECK(transcript.find(1)->began == 1'646'846'974'247'000);
    CHECK(transcript.find(1)->ended() == 1'646'846'974'248'000);
    CHECK(transcript.find(1)->client().empty());
    CHECK(transcript.find(3)->client() == "mon=0xb");
}

TEST_CASE("A hundred thousand lines are read in a moment, and the ring holds the last") {
    std::string log;
    for (int i = 0; i < 100'000; ++i)
        log += "{\"t\":" + std::to_string(i) + ",\"n\":" + std::to_string(i / 2) + ",\"dir\":\"" +
               (i % 2 == 0 ? "client\",\"msg\":{\"execute\":\"query-status\"}}\n"
                           : "server\",\"msg\":{\"return\":{\"status\":\"running\"}}}\n");
    Transcript transcript({.items = 1000, .bytes = 1U << 20U});
    load(transcript, log, 65536);
    CHECK(transcript.items().size() == 1000);
    CHECK(transcript.next() == 50'001);
    CHECK(transcript.items().back().state == ItemState::Ok);
    CHECK_THROWS_AS(
        [] {
            Transcript none;
            TranscriptLoader loader(none);
            load_transcript("/nonexistent/log", loader);
        }(),
        qvm::SystemError);
}

TEST_CASE("What is hostile is written as JSON, and comes back") {
    for (const auto& text : qvm::test::hostile_texts()) {
        auto item = command("x", text);
        item.edit_command().typed = text;
        item.edit_command().client = text;
        const auto line = log_line(item, Part::Sent);
        CHECK(is_json(line));
        CHECK(line.find('\n') == std::string::npos);
        Transcript transcript;
        load(transcript, line);
        REQUIRE_FALSE(transcript.items().empty());
        CHECK(transcript.items().front().sent() == text);
        CHECK(transcript.items().front().typed() == text);
        CHECK(transcript.items().front().client() == text);
    }
}
