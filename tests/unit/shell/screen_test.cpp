// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/screen.hpp"

#include <clocale>

#include "support/catch.hpp"

using namespace qvm::shell;

namespace {

std::string text_of(const Line& line) {
    std::string text;
    for (const auto& span : line) text += span.text;
    return text;
}

Screen screen(std::size_t rows, std::size_t columns, std::string input) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Screen out;
    out.rows = rows;
    out.columns = columns;
    out.title = {{"title", Role::Title}};
    out.hint = {{"hint", Role::Dim}};
    out.status = {{"status", Role::Title}};
    out.input.point = input.size();
    out.input.text = std::move(input);
    for (int i = 0; i < 50; ++i) out.body.push_back({{"line " + std::to_string(i)}});
    return out;
}

}  // namespace

TEST_CASE("Title, log, hint, input and status, from the top") {
    const auto frame = render(screen(8, 20, "query"));
    REQUIRE(frame.lines.size() == 8);
    CHECK(text_of(frame.lines[0]).starts_with("title "));
    CHECK(columns_of(frame.lines[0]) == 20);
    CHECK(text_of(frame.lines[4]) == "line 49");
    CHECK(text_of(frame.lines[5]) == "hint");
    CHECK(text_of(frame.lines[6]) == "> query");
    CHECK(frame.cursor_row == 6);
    CHECK(frame.cursor_column == 7);
    CHECK(text_of(frame.lines[7]).starts_with("status"));
}

TEST_CASE("The input is in sight on every screen") {
    for (std::size_t rows = 1; rows < 12; ++rows)
        for (std::size_t columns = 1; columns < 30; columns += 4)
            for (const std::size_t length : {0U, 3U, 40U, 500U}) {
                CAPTURE(rows, columns, length);
                const auto frame = render(screen(rows, columns, std::string(length, 'x')));
                REQUIRE(frame.lines.size() == rows);
                CHECK(frame.cursor_row < rows);
                CHECK(frame.cursor_column < columns);
                for (const auto& line : frame.lines) CHECK(columns_of(line) <= columns);
                if (length > 3 && columns > 4) {
                    const auto before = frame.cursor_column > 0 ? frame.cursor_row : frame.cursor_row - 1;
                    if (frame.cursor_column > 0 || frame.cursor_row > 0)
                        CHECK(text_of(frame.lines[before]).find('x') != std::string::npos);
                }
            }
}

TEST_CASE("A long input grows to a third of the screen and shows where the cursor is") {
    auto one = screen(12, 10, std::string(98, 'x') + "END");
    const auto frame = render(one);
    CHECK(text_of(frame.lines[10]).find("END") != std::string::npos);
    CHECK(body_rows(one) == 5);
    one.input.point = 0;
    CHECK(render(one).cursor_row == 7);
    CHECK(render(one).cursor_column == 2);
}

TEST_CASE("Line ends, controls and wide characters in the input have a width") {
    auto one = screen(8, 20, "a\n\x01文x");
    const auto frame = render(one);
    CHECK(text_of(frame.lines[6]) == "> a\u21b5^A文x");
    CHECK(frame.cursor_column == 9);
    one.input.text = "\x1b[31m\xff";
    CHECK(text_of(render(one).lines[6]).find('\x1b') == std::string::npos);
}

TEST_CASE("What a check points at is underlined") {
    auto one = screen(8, 40, "query-status idd=3");
    one.input.marks = {{13, 16}};
    const auto line = render(one).lines[6];
    REQUIRE(line.size() == 4);
    CHECK(line[0].role == Role::Prompt);
    CHECK(line[2].text == "idd");
    CHECK(line[2].underlined);
}

TEST_CASE("The popup lies over the log, and the chosen row is in it") {
    auto one = screen(10, 30, "q");
    for (int i = 0; i < 30; ++i) one.popup.rows.push_back({"command-" + std::to_string(i), "does this"});
    one.popup.chosen = 20;
    const auto frame = render(one);
    CHECK(text_of(frame.lines[6]).starts_with("> command-20"));
    CHECK(text_of(frame.lines[7]) == "hint");
    // How many there are is told where not all are shown.
    CHECK(text_of(frame.lines[6]).find("(21 of 30)") != std::string::npos);
    CHECK(text_of(frame.lines[5]).find(" of ") == std::string::npos);
    one.popup.rows.resize(6);
    for (const auto& line : render(one).lines) CHECK(text_of(line).find(" of ") == std::string::npos);
}

TEST_CASE("A page begins at the top") {
    auto one = screen(8, 20, "");
    one.editing = false;
    one.body_at_bottom = false;
    one.body.resize(2);
    const auto frame = render(one);
    CHECK(text_of(frame.lines[1]) == "line 0");
    CHECK(text_of(frame.lines[3]).empty());
    CHECK(text_of(frame.lines[6]) == "hint");
}
