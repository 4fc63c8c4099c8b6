// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/pipe.hpp"

#include "base/json.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::shell;

namespace {

Json reply() {
    return Json::parse(
        R"({"a": {"b": [{"c": 1}, {"c": 2, "d": "x"}]}, "odd key": true, "list": [], "n": 5})");
}

std::string piped(const std::string& stage) {
    return apply({parse_pipe_stage(stage)}, reply()).dump();
}

std::string trouble(const std::string& stage) {
    try {
        apply({parse_pipe_stage(stage)}, reply());
    } catch (const PipeError& error) {
        return error.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("A path leads into a reply") {
    CHECK(piped(".") == reply().dump());
    CHECK(piped(".a.b[0].c") == "1");
    CHECK(piped(".a.b.[1].d") == R"("x")");
    CHECK(piped(".a.b[-1].c") == "2");
    CHECK(piped(".a.b[].c") == "[1,2]");
    CHECK(piped(".a.b[].d") == R"([null,"x"])");
    CHECK(piped(".a[].[0]") == R"([{"c":1}])");
    CHECK(piped(".[\"odd key\"]") == "true");
    CHECK(piped(".\"odd key\"") == "true");
    CHECK(piped(".list[].x") == "[]");
}

TEST_CASE("A path that leads nowhere says what is there") {
    CHECK(trouble(".aa.b") == "the reply has no member 'aa', did you mean 'a'?; it has a, odd key, list, n");
    CHECK(trouble(".a.b.c") == ".a.b is an array of 2 elements: it has no member 'c'");
    CHECK(trouble(".a.b[2]") == ".a.b is an array of 2 elements: it has no [2]");
    CHECK(trouble(".n[]") == ".n is a number: it has no elements");
    CHECK(trouble(".list[0]") == ".list is an empty array: it has no [0]");
}

TEST_CASE("What is no path is said to be none") {
    CHECK(trouble("") == "nothing follows the bar: a path (.name) or 'grep TEXT' does");
    CHECK(trouble("a.b") == "a bar is followed by a path (.name) or by 'grep TEXT'");
    CHECK(trouble(".a..b") == "a name is missing in the path");
    CHECK(trouble(".a[x]") == "'[' wants a number or nothing, as in [0] or []");
    CHECK(trouble(".a[0") == "a ']' is missing in the path");
    CHECK(trouble(".\"a") == "the closing quote is missing");
    CHECK(trouble("grep") == "grep has no text to look for");
    CHECK(trouble("grep -i -v ") == "grep has no text to look for");
    CHECK(trouble("grep 'a' b") == "something follows the quoted text of grep");
}

TEST_CASE("grep keeps elements, members and lines") {
    CHECK(apply({parse_pipe_stage(".a.b"), parse_pipe_stage("grep x")}, reply()).dump() ==
          R"([{"c":2,"d":"x"}])");
    CHECK(piped("grep ODD") == "{}");
    CHECK(piped("grep -i ODD") == R"({"odd key":true})");
    CHECK(piped("grep -iv ODD") == R"({"a":{"b":[{"c":1},{"c":2,"d":"x"}]},"list":[],"n":5})");
    const Json text = "one two\ntwo\nthree";
    CHECK(apply({parse_pipe_stage("grep two")}, text) == "one two\ntwo\n");
    CHECK(apply({parse_pipe_stage("grep -v two")}, text) == "three");
    CHECK(apply({parse_pipe_stage("grep \"one two\"")}, text) == "one two\n");
}

TEST_CASE("Paths and greps are written as they are read") {
    for (const char* text : {".", ".a", ".a.b[0].c", ".[0]", ".[]", ".[].a[]", ".\"odd key\"[-1]", ".\"\"",
                             "grep a", "grep -i -v a b", "grep \"|\"", "grep \" a\"", "grep \"-i\""}) {
        INFO(text);
        CHECK(to_text(parse_pipe_stage(text)) == text);
    }
}
