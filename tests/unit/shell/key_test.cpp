// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/key.hpp"

#include "support/catch.hpp"

using namespace qvm::shell;

namespace {

/// The names of the keys in these bytes, everything flushed at the end.
std::vector<std::string> names(std::string_view bytes, char erase = '\x7f') {
    KeyReader reader(erase);
    reader.feed(bytes);
    std::vector<std::string> out;
    while (auto key = reader.next()) out.push_back(key->name);
    while (auto key = reader.next(true)) out.push_back(key->name);
    return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("Keys are told by what terminals send") {
    CHECK(names("aé文 \r\t") == Names{"a", "é", "文", "space", "enter", "tab"});
    CHECK(names("\x1b[A\x1bOA\x1b[1;3A\x1b\x1b[A\x1b[1;5C") == Names{"up", "up", "a-up", "a-up", "c-right"});
    CHECK(names("\x1b[5~\x1b[6;3~\x1bOP\x1b[11~\x1b[24~\x1b[Z") ==
          Names{"pgup", "a-pgdn", "f1", "f1", "f12", "s-tab"});
    CHECK(names("\x12\x1bx\x1b\x12") == Names{"c-r", "a-x", "c-a-r"});
    CHECK(names("\x1b[1;2D\x1b[99~\x1b[?1u") == Names{"s-left", "", ""});
}

TEST_CASE("The terminal's erase character is Backspace, the other one is not") {
    CHECK(names("\x7f\x08") == Names{"backspace", "c-h"});
    CHECK(names("\x7f\x08", '\x08') == Names{"c-?", "backspace"});
}

TEST_CASE("A lone escape waits until it is flushed") {
    KeyReader reader;
    reader.feed("\x1b");
    CHECK_FALSE(reader.next());
    CHECK(reader.waiting());
    CHECK(reader.next(true)->name == "esc");
    reader.feed("\x1b");
    CHECK_FALSE(reader.next());
    reader.feed("[");
    CHECK_FALSE(reader.next());
    reader.feed("B");
    CHECK(reader.next()->name == "down");
    reader.feed("\xc3");
    CHECK_FALSE(reader.next());
    reader.feed("\xa9");
    CHECK(reader.next()->name == "é");
    CHECK_FALSE(reader.waiting());
}

TEST_CASE("A paste is one key, whatever is in it, and however it is split") {
    const std::string bytes = "\x1b[200~query-status\r\x1b[A\x03\x1b[201~x";
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        KeyReader reader;
        std::vector<Key> keys;
        for (const auto& part : {bytes.substr(0, cut), bytes.substr(cut)}) {
            reader.feed(part);
            while (auto key = reader.next()) keys.push_back(*key);
        }
        REQUIRE(keys.size() == 2);
        CHECK(keys[0].kind == Key::Kind::Paste);
        CHECK(keys[0].bytes == "query-status\r\x1b[A\x03");
        CHECK(keys[1].name == "x");
    }
}

TEST_CASE("A paste without an end is given in the end") {
    KeyReader reader;
    reader.feed("\x1b[200~" + std::string(5U << 20U, 'x'));
    CHECK(reader.next()->bytes.size() == 5U << 20U);
}

TEST_CASE("The mouse has a place") {
    KeyReader reader;
    reader.feed("\x1b[<64;10;3M\x1b[<0;1;1M\x1b[<0;1;1m");
    const auto wheel = reader.next();
    CHECK(wheel->name == "wheel-up");
    CHECK(wheel->row == 2);
    CHECK(wheel->column == 9);
    CHECK(reader.next()->name == "click");
    CHECK(reader.next()->name.empty());
}

TEST_CASE("Rubbish is eaten, not inserted") {
    CHECK(names("\x1b[\x01") == Names{"", "c-a"});
    CHECK(names("\x1b[" + std::string(100, '1') + "a").front().empty());
}

TEST_CASE("A key's name gives the bytes that give the name") {
    for (const std::string name :
         {"a",  "é",    "space",   "enter",  "tab",  "s-tab",  "esc", "backspace", "c-r",  "a-x",    "c-a-r",
          "up", "a-up", "c-right", "s-left", "pgup", "a-pgdn", "f1",  "f5",        "a-f1", "delete", "c-]"}) {
        CAPTURE(name);
        const auto key = key_named(name);
        REQUIRE(key);
        CHECK(names(key->bytes) == Names{name});
    }
    CHECK_FALSE(key_named("c-1"));
    CHECK_FALSE(key_named("hello"));
    CHECK_FALSE(key_named(""));
}
