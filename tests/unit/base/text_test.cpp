// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.hpp"

#include <chrono>

#include "support/catch.hpp"

using namespace qvm;

TEST_CASE("the nearest name, and none for what is too far away") {
    const std::vector<std::string> names{"memory", "machine", "disk"};
    CHECK(nearest("memroy", names) == "memory");
    CHECK(nearest("DISK", names) == "disk");
    CHECK_FALSE(nearest("console", names));
    CHECK(did_you_mean("dsk", names) == "did you mean 'disk'?");
    CHECK(did_you_mean("console", names).empty());
}

TEST_CASE("sizes and what is none") {
    CHECK(std::get<std::uint64_t>(parse_size("512M")) == 512ULL << 20);
    CHECK(std::get<std::uint64_t>(parse_size("1.5GiB")) == 3ULL << 29);
    CHECK(std::get<std::uint64_t>(parse_size("100")) == 100);
    for (const auto* wrong : {"", "M", "1.2.3G", "12Q", "-1", "1e3", "99999999999999999999"}) {
        INFO(wrong);
        CHECK(std::holds_alternative<std::string>(parse_size(wrong)));
    }
}

TEST_CASE("durations there and back") {
    using std::chrono::milliseconds;
    for (const auto* text : {"200ms", "30s", "2m"}) {
        INFO(text);
        CHECK(format_duration(std::get<milliseconds>(parse_duration(text))) == text);
    }
    CHECK(std::holds_alternative<std::string>(parse_duration("soon")));
}

TEST_CASE("text of others is shown, not obeyed") {
    CHECK(escape_controls("a\tb") == "a\tb");
    CHECK(escape_controls("\033[2J").find('\033') == std::string::npos);
    CHECK(escape_controls("\xe2\x80\xae").find("\xe2\x80\xae") == std::string::npos);  // right to left
    CHECK(escape_controls("\xff").find('\xff') == std::string::npos);
}

TEST_CASE("text is cut between characters") {
    CHECK(display_width("a\xc3\xa4z") == 3);
    CHECK(cut_to_width("a\xc3\xa4z", 2) == "a\xc3\xa4");
    CHECK(cut_to_width("a\xc3\xa4z", 1) == "a");
    CHECK(cut_to_width("abc", 0).empty());
    CHECK(cut_to_width("abc", 9) == "abc");
}

TEST_CASE("lists in words") {
    const std::vector<std::string> words{"a", "b", "c"};
    CHECK(join_or(words) == "a, b or c");
    CHECK(join_or(std::span(words).first(2)) == "a or b");
    CHECK(join_or(std::span(words).first(1)) == "a");
}
