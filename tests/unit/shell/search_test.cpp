// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/search.hpp"

#include <string>

#include "support/catch.hpp"

using namespace qvm::shell;

namespace {
constexpr auto nowhere = std::string_view::npos;
}

TEST_CASE("Text is found whatever its case, from both sides") {
    CHECK(find_text("abcABC", "c") == 2);
    CHECK(find_text("abcABC", "c", 3) == 5);
    CHECK(find_text("xxABxab", "AB", 3) == 5);
    CHECK(find_text("aaab", "aab") == 1);
    CHECK(find_text("abc", "abcd") == nowhere);
    CHECK(find_text("abc", "") == 0);
    CHECK(find_text("abc", "", 4) == nowhere);
    CHECK(find_text("a{B", "{b") == 1);
    CHECK(find_text_backwards("abcABC", "c", 6) == 5);
    CHECK(find_text_backwards("abcABC", "c", 5) == 2);
    CHECK(find_text_backwards("abcABC", "a", 0) == nowhere);
    CHECK(find_text_backwards("abc", "bc", 99) == 1);
}

TEST_CASE("Patterns match all of a text, and take no longer for many stars") {
    CHECK(matches_glob("BLOCK_JOB_READY", "block*ready"));
    CHECK(matches_glob("STOP", "st?p"));
    CHECK(matches_glob("", "*"));
    CHECK(matches_glob("abab", "*ab"));
    CHECK_FALSE(matches_glob("STOPPED", "stop"));
    CHECK_FALSE(matches_glob("", "?"));
    CHECK_FALSE(matches_glob(std::string(5000, 'a'), "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"));
    CHECK(is_glob("a*"));
    CHECK_FALSE(is_glob("a.b"));
}
