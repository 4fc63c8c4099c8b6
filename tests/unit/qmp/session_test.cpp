// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/session.hpp"

#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::qmp;

namespace {

/// Everything a Framer makes of `bytes`, as "message" or "!reason: beginning".
std::vector<std::string> frames_of(Framer& framer) {
    std::vector<std::string> frames;
    while (const auto frame = framer.next()) {
        frames.push_back(frame->error.empty() ? frame->bytes : "!" + frame->error + ": " + frame->bytes);
    }
    return frames;
}

std::vector<std::string> frames_of(std::string_view bytes, std::size_t limit = 1000) {
    Framer framer(limit);
    framer.feed(bytes);
    return frames_of(framer);
}

using Frames = std::vector<std::string>;

/// All that one connection may bring: honest messages, noise between them, and things that never end.
const std::string everything =
    "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"RESUME\"}\r\n"
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"p\"},"
    " \"capabilities\": [\"oob\"]}}\r\n"
    "noise\n{\"return\": {\"a\": \"}{ \\\" \\\\\"}, \"id\": \"qvm-1\"}{\"return\": [], \"id\": [1, {\"x\": "
    "null}]}"
    "{\n    \"error\": {\n        \"class\": \"GenericError\",\n        \"desc\": \"no\"\n    }\n}\n"
    "\xff{ \"broken\": \n {\"return\": {}\n{\"event\": \"STOP\", \"data\": {\"\xc3\xa4\": \"\xff\"}}\n"
    "{\"unended\": \"string\n{\"return\": 18446744073709551615, \"id\": \"qvm-2\"}";

std::string describe(const Inbound& message) {
    struct {
        std::string operator()(const Greeting& g) const {
            return "greeting " + std::to_string(g.major) + "." + std::to_string(g.minor);
        }
        std::string operator()(const Reply& r) const { return "reply " + r.id.dump() + " " + r.value.dump(); }
        std::string operator()(const ErrorReply& e) const {
            return "error " + e.id.dump() + " " + e.error_class;
        }
        std::string operator()(const Event& e) const { return "event " + e.name + " " + e.data.dump(); }
        std::string operator()(const Garbage& g) const { return "garbage " + g.why; }
    } describer;
    return std::visit(describer, message);
}

void drain(Session& session, std::vector<std::string>& messages) {
    while (const auto message = session.next()) messages.push_back(describe(*message));
}

const std::vector<std::string> everything_read = {
    "event RESUME {}",
    "greeting 7.2",
    "garbage it is no JSON object",
    R"(reply "qvm-1" {"a":"}{ \" \\"})",
    R"(reply [1,{"x":null}] [])",
    "error null GenericError",
    "garbage it is no JSON object",
    "garbage it has no end",
    "event STOP {\"\u00e4\":\"\ufffd\"}",
    "garbage a string in it has no end",
    R"(reply "qvm-2" 18446744073709551615)",
};

}  // namespace

TEST_CASE("messages are framed by JSON, not by lines") {
    CHECK(frames_of(R"({"a":1}{"b":{"c":[{}]}})") == Frames{R"({"a":1})", R"({"b":{"c":[{}]}})"});
    CHECK(frames_of(" \r\n\t{\n}\n") == Frames{"{\n}"});
    CHECK(frames_of(R"({"a":"}\"{"} {})") == Frames{R"({"a":"}\"{"})", "{}"});
    CHECK(frames_of(R"({"a":"\\"}{})") == Frames{R"({"a":"\\"})", "{}"});
    CHECK(frames_of("").empty());
    CHECK(frames_of(R"({"a")").empty());
}

TEST_CASE("what is between messages is told up to the line's end or the next message") {
    CHECK(frames_of("hello\n{}") == Frames{"!it is no JSON object: hello", "{}"});
    CHECK(frames_of("hello{}") == Frames{"!it is no JSON object: hello", "{}"});
    CHECK(frames_of("[1]\n}\n{}") == Frames{"!it is no JSON object: [1]", "!it is no JSON object: }", "{}"});
    CHECK(frames_of("hello").empty());
}

TEST_CASE("byte 0xFF resets the framer as it does QEMU's parser") {
    CHECK(frames_of("\xff{}") == Frames{"!it is no JSON object: \xff", "{}"});
    CHECK(frames_of("{\"a\":\xff{}") == Frames{"!byte 0xFF cut it off: {\"a\":\xff", "{}"});

    Framer client_text(100, Framer::InvalidByte::Reset);
    client_text.feed("{\"execute\xff{}");
    CHECK(frames_of(client_text) == Frames{"!byte 0xFF cut it off: {\"execute\xff", "{}"});

    // Text from a server is data, whatever it is.
    CHECK(frames_of("{\"a\":\"\xff\"}{}") == Frames{"{\"a\":\"\xff\"}", "{}"});
}

TEST_CASE("an object without end does not swallow what follows") {
    CHECK(frames_of("{\n{\"event\":1}") == Frames{"!it has no end: {\n", R"({"event":1})"});
    CHECK(frames_of("{\"a\":{\"b\":1}\n{\"event\":1}") ==
          Frames{"!it has no end: {\"a\":{\"b\":1}\n", R"({"event":1})"});
    CHECK(frames_of("{\"a\":\"b\"{}") == Frames{"!it has no end: {\"a\":\"b\"", "{}"});
    CHECK(frames_of("{\"a\":\"b\n{}") == Frames{"!a string in it has no end: {\"a\":\"b", "{}"});
    CHECK(frames_of("{\"a\\\n{}") == Frames{"!a string in it has no end: {\"a\\", "{}"});
    CHECK(frames_of(R"({"a":[ {}, {} , [{}]]}{})") == Frames{R"({"a":[ {}, {} , [{}]]})", "{}"});
}

TEST_CASE("a message over the limit is skipped, and the next one is read") {
    const std::string large = R"({"a":")" + std::string(500, 'x') + R"("})";
    const std::string told = "!it is longer than 100 bytes: " + large.substr(0, 200);
    CHECK(frames_of(large + "{}", 100) == Frames{told, "{}"});

    Framer framer(100);
    std::vector<std::string> frames;
    for (const char byte : large + "{}") {
        framer.feed(std::string_view(&byte, 1));
        for (auto& frame : frames_of(framer)) frames.push_back(std::move(frame));
        if (frames.empty()) CHECK(framer.pending_bytes() > 0);
    }
    CHECK(frames == Frames{told, "{}"});
    CHECK(framer.pending_bytes() == 0);

    const std::string exact = R"({"a":")" + std::string(92, 'x') + R"("})";
    CHECK(frames_of(exact, 100) == Frames{exact});
}

TEST_CASE("an unending object inside a skipped message still ends it") {
    Framer framer(20);
    framer.feed("{\"a\": \"" + std::string(50, 'x') + "\"   ");
    CHECK(frames_of(framer).empty());
    framer.feed("   ");
    CHECK(frames_of(framer).empty());
    framer.feed("{\"event\":1}");
    const auto frames = frames_of(framer);
    REQUIRE(frames.size() == 2);
    CHECK(frames[1] == R"({"event":1})");
}

TEST_CASE("nesting is limited, the stream goes on") {
    const std::string deep = R"({"a":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
    const auto frames = frames_of(deep + "{}", 1'000'000);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], ContainsSubstring("nested deeper than 1024"));
    CHECK(frames[1] == "{}");
    const std::string allowed = R"({"a":)" + std::string(1000, '[') + std::string(1000, ']') + "}";
    CHECK(frames_of(allowed, 10'000) == Frames{allowed});
}

TEST_CASE("a session reads the same in one piece, byte by byte, and cut at random") {
    std::vector<std::string> messages;
    Session whole;
    whole.feed(everything);
    drain(whole, messages);
    CHECK(messages == everything_read);

    messages.clear();
    Session bytewise;
    for (const char byte : everything) {
        bytewise.feed(std::string_view(&byte, 1));
        drain(bytewise, messages);
    }
    CHECK(messages == everything_read);

    std::mt19937 random(20260101);
    for (int round = 0; round < 300; ++round) {
        messages.clear();
        Session session;
        std::string_view rest = everything;
        while (!rest.empty()) {
            const std::size_t length = std::min<std::size_t>(rest.size(), random() % 80);
            session.feed(rest.substr(0, length));
            rest.remove_prefix(length);
            if (random() % 2 == 0) drain(session, messages);
        }
        drain(session, messages);
        REQUIRE(messages == everything_read);
    }
}

TEST_CASE("random bytes never stop a session") {
    const std::string alphabet = "{}[]\":,\\\n\xff\xc3 ae19\t";
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        Session session(200);
        std::string noise;
        for (int i = 0; i < 100; ++i) noise += alphabet[random() % alphabet.size()];
        session.feed(noise);
        while (session.next()) continue;
        session.feed("\n\xff\"\xff\n\xff{\"event\": \"STOP\"}");
        bool came = false;
        while (const auto message = session.next()) came = std::holds_alternative<Event>(*message);
        REQUIRE(came);
    }
}

TEST_CASE("the greeting") {
    const auto message = parse_inbound(
        R"({"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"},)"
        R"( "capabilities": ["oob", 3]}})");
    const auto& greeting = std::get<Greeting>(message);
    CHECK(greeting.major == 7);
    CHECK(greeting.micro == 22);
    CHECK(greeting.package == "Debian");
    CHECK(greeting.capabilities == std::vector<std::string>{"oob"});
    CHECK(std::get<Greeting>(parse_inbound(greeting.to_json().dump())).package == "Debian");
    CHECK(std::get<Greeting>(parse_inbound(R"({"QMP": {"version": [], "capabilities": 1}})")).major == 0);
}

TEST_CASE("events keep their data, order and time") {
    const auto event = std::get<Event>(parse_inbound(
        R"({"timestamp": {"seconds": 1700000000, "microseconds": 5}, "event": "X", "data": {"z": 1, "a": -3}})"));
    CHECK(event.name == "X");
    CHECK(event.data.dump() == R"({"z":1,"a":-3})");
    CHECK(event.seconds == 1700000000);
    CHECK(event.to_json().dump() ==
          R"({"timestamp":{"seconds":1700000000,"microseconds":5},"event":"X","data":{"z":1,"a":-3}})");
    CHECK(std::get<Event>(parse_inbound(R"({"event": "Y", "data": 1, "timestamp": "soon"})")).data ==
          Json::object());
}

TEST_CASE("replies and errors keep any id") {
    CHECK(std::get<Reply>(parse_inbound(R"({"return": -9223372036854775808})")).value.dump() ==
          "-9223372036854775808");
    CHECK(std::get<Reply>(parse_inbound(R"({"id": {"a": null}, "return": {}})")).id.dump() ==
          R"({"a":null})");
    const auto error = std::get<ErrorReply>(
        parse_inbound(R"({"id": 3, "error": {"class": "DeviceNotFound", "desc": "no 'x'"}})"));
    CHECK(error.id == 3);
    CHECK(error.error_class == "DeviceNotFound");
    CHECK(error.description == "no 'x'");
    CHECK(std::get<ErrorReply>(parse_inbound(R"({"error": {"class": 1}})")).error_class.empty());
}

TEST_CASE("text that is not UTF-8 is mended, never refused") {
    const auto value = [](const std::string& text) {
        return std::get<Reply>(parse_inbound("{\"return\": \"" + text + "\"}")).value.get<std::string>();
    };
    CHECK(value("a\xff z") == "a\ufffd z");
    CHECK(value("\xc3\xa4\xc3") == "\u00e4\ufffd");
    CHECK(value("\xed\xa0\x80") == "\ufffd\ufffd\ufffd");  // a surrogate
    CHECK(value("\xf0\x9f\x99\x82\x80") == "\U0001f642\ufffd");
    CHECK(value("\xc0\x80") == "\ufffd\ufffd");  // longer than needed
    CHECK(value("\xf5\x80\x80\x80") == "\ufffd\ufffd\ufffd\ufffd");
}

TEST_CASE("what is no message is garbage with its beginning") {
    const std::vector<std::string> bad = {"{}",         R"({"error": 1})", R"({"event": 1})", R"({"QMP": 1})",
                                          R"({"a" 1})", R"({'a': 1})",     R"({"a": 1e999})"};
    for (const auto& bytes : bad) {
        INFO(bytes);
        const auto message = parse_inbound(bytes);
        REQUIRE(std::holds_alternative<Garbage>(message));
        CHECK(std::get<Garbage>(message).bytes == bytes);
    }
    const auto large = parse_inbound(R"({"x": ")" + std::string(5000, 'y') + R"("})");
    CHECK(std::get<Garbage>(large).bytes.size() == 200);
}

TEST_CASE("commands as bytes") {
    Json arguments = Json::object();
    arguments["id"] = "d0";
    arguments["size"] = 18446744073709551615U;
    CHECK(Session::encode("device_add", arguments, Json("qvm-1"), false) ==
          "{\"execute\":\"device_add\",\"arguments\":{\"id\":\"d0\",\"size\":18446744073709551615},"
          "\"id\":\"qvm-1\"}\n");
    CHECK(Session::encode("yank", Json(), Json(), true) == "{\"exec-oob\":\"yank\"}\n");
    CHECK_THROWS_AS(Session::encode("x", Json::array(), Json(), false), ProtocolError);
    CHECK_THROWS_AS(Session::encode("x", Json("text"), Json(), false), ProtocolError);
    arguments["id"] = "\xff";
    CHECK_THROWS_WITH(Session::encode("device_add", arguments, Json(), false),
                      ContainsSubstring("'device_add' holds text that is not valid UTF-8"));
}
