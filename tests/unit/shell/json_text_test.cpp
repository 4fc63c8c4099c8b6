// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_text.hpp"

#include <clocale>

#include "hostile.hpp"
#include "shell/json_lines.hpp"
#include "support/catch.hpp"

using namespace qvm::shell;
using qvm::test::text_of;

TEST_CASE("A member is found in the text, and read no further than needed") {
    const std::string_view json = R"({"a": {"b": 1, "x": 2}, "b": [1, {"b": 3}], "c\u0064": 'e', "b": 5})";
    CHECK(json_member(json, "b") == R"([1, {"b": 3}])");
    CHECK(json_member(json, "a") == R"({"b": 1, "x": 2})");
    CHECK(json_member(json, "cd") == "'e'");
    CHECK_FALSE(json_member(json, "x"));
    CHECK_FALSE(json_member("[1]", "x"));
    CHECK_FALSE(json_member("", "x"));
    CHECK(json_member_onwards(R"({"return": "very long)", "return") == "\"very long");
    CHECK(json_member(R"({"a":})", "a") == "");
    CHECK_FALSE(json_member(R"({"a")", "a"));
}

TEST_CASE("A string's value is decoded, pairs and halves of pairs as well") {
    CHECK(json_string_value(R"("a\n\"\\\/\u00e9\ud83d\ude42\ud83dx\q")") == "a\n\"\\/é🙂\xEF\xBF\xBDx\\q");
    CHECK(json_string_value("\"open") == "open");
    CHECK(json_string_value("\"open\\\"") == "open\"");
    CHECK(json_string_value("12") == "12");
}

TEST_CASE("A string is shown with the escapes that could do harm, and without the others") {
    CHECK(show_json_string(R"("\u00e9\u65e5\ud83d\ude42")", 100).text == "\"é日🙂\"");
    CHECK(show_json_string(R"("\n\t\"\\\u0041\u001b\u202e\ud800")", 100).text ==
          R"("\n\t\"\\\u0041\u001b\u202e\ud800")");
    const auto cut = show_json_string("\"ééé\"", 4);
    CHECK(cut.cut);
    CHECK(cut.text == "\"é");
}

TEST_CASE("Any bytes become a JSON string and come back") {
    for (const auto& text : qvm::test::hostile_texts()) {
        CHECK(unquote_json(quote_json(text)) == text);
        CHECK(qvm::test::danger_in(quote_json(text)).empty());
    }
    CHECK(quote_json("a\"\\\n\x1b\xff") == R"("a\"\\\n\u001b\udcff")");
}

TEST_CASE("JSON on a line: keys, strings, numbers and words are told apart") {
    const auto line = highlight_json("{\"a\" : [1, -2.5e3,\n  true], \"b\": \"x\", oops}");
    CHECK(text_of(line) == "{\"a\" : [1, -2.5e3, true], \"b\": \"x\", oops}");
    std::string roles;
    for (const auto& span : line) roles += std::string(name_of(span.role)) + " ";
    CHECK(roles ==
          "plain key plain number plain number plain literal plain key plain string plain warning plain ");
    CHECK(text_of(highlight_json("{\"a\": \"0123456789\"}", 10)) == "{\"a\": \"012");
}

TEST_CASE("JSON is laid out as it comes, broken or not") {
    CHECK(pretty_json(R"({"a": {"b": [], "c": [1, {}]}, "d": 18446744073709551615})") ==
          "{\n  \"a\": {\n    \"b\": [],\n    \"c\": [\n      1,\n      {}\n    ]\n  },\n"
          "  \"d\": 18446744073709551615\n}\n");
    CHECK(pretty_json("{\"a\":}") == "{\n  \"a\": \n}\n");
    CHECK(pretty_json("{\"a\" 1") == "{\n  \"a\"\n  1\n");
    CHECK(pretty_json("]]{") == "]\n]\n{\n");
    CHECK(pretty_json("").empty());
    CHECK(pretty_json("true") == "true\n");
}

TEST_CASE("What is JSON, strictly") {
    for (const auto* good : {"{}", " [1, -0.5e+3, \"\\u00e9é\", null, {\"a\": [], \"\": {}}] ", "\"x\"", "0"})
        CHECK(is_json(good));
    for (const auto* bad :
         {"",         "{",      "}",   "[1,]", "[,1]",        "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{1:2}",
          "[1 2]",    "1 2",    "01",  "-",    "'a'",         "\"a",     "\"\\x\"",  "\"\\u12\"",  "\"\\'\"",
          "\"\xff\"", "\"\n\"", "tru", "[}",   "{\"a\":1:2}", "[1:2]",   "\"\\\"",   "{\"a\",1}"})
        CHECK_FALSE(is_json(bad));
}

TEST_CASE("All members at once are those that are found one by one") {
    for (const std::string_view json :
         {std::string_view(R"({"a": {"b": 1}, "b": [1], "\u0063": 'x', "a": 2, "d":})"),
          std::string_view(R"({"a" 1, "b": 2, {"c": 3}, "d": "open)"), std::string_view("[\"a\"]"),
          std::string_view("")}) {
        const JsonMembers members(json);
        for (const auto* name : {"a", "b", "c", "d", "e"})
            CHECK(members.find(name) == json_member(json, name));
    }
    CHECK(JsonMembers(R"({"a": "\u0041", "b": 1})").text("a") == "A");
    CHECK(JsonMembers(R"({"a": "\u0041", "b": 1})").text("b") == "1");
    CHECK(JsonMembers("{}").text("c").empty());
}
