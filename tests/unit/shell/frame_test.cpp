// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/frame.hpp"

#include <clocale>

#include "support/catch.hpp"

using namespace qvm::shell;

TEST_CASE("Columns are those of a terminal") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    CHECK(columns_of("abc") == 3);
    CHECK(columns_of("é文") == 3);
    CHECK(columns_of("e\u0301") == 1);
    CHECK(cut_to_columns("a文b", 2) == "a");
    CHECK(cut_to_columns("a文b", 3) == "a文");
    CHECK(cut_to_columns("e\u0301x", 1) == "e\u0301");
}

TEST_CASE("A line that is too long ends in a mark") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const Line line{{"[10:00] ", Role::Dim}, {"query-status", Role::Name}, {" [OK]", Role::Ok}};
    CHECK(fit(line, 80) == line);
    CHECK(fit(line, 25) == line);
    CHECK(columns_of(fit(line, 24)) == 24);
    CHECK(fit(line, 24).back().text == " [O…");
    CHECK(fit(line, 20).back().text == "query-statu…");
    CHECK(fit(line, 9).back().text == "…");
    CHECK(fit(line, 8).size() == 1);
    CHECK(fit(line, 8).back().text == "[10:00]…");
    CHECK(fit(line, 1).back().text == "…");
    CHECK(fit(line, 0).empty());
}

TEST_CASE("Wrapping keeps each character whole, and ends on a screen one column wide") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const Line line{{"ab文", Role::Name}, {"cd", Role::Dim}};
    const auto lines = wrap(line, 3);
    REQUIRE(lines.size() == 3);
    CHECK(lines[0][0].text == "ab");
    CHECK(lines[1][0].text == "文");
    CHECK(lines[1][1].text == "c");
    CHECK(lines[2][0].text == "d");
    CHECK(wrap(line, 1).size() == 5);
    CHECK(wrap({}, 5).size() == 1);
}
