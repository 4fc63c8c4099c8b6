// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/screen.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::shell {
namespace {

/// What stands where, from the top; nothing has no rows.
struct Layout {
    std::size_t title = 0, body = 0, hint = 0, input = 0, status = 0;
};

/// The input as the screen shows it, and where the cursor is in it.
struct Drawn {
    std::vector<Line> lines;
    std::size_t row = 0, column = 0;
};

/// One character of the input: line ends, controls and bytes that are no text are made visible.
std::string visible(std::string_view character) {
    if (character == "\n") return MB_CUR_MAX > 1 ? "\u21b5" : "$";
    const auto byte = static_cast<unsigned char>(character.front());
    if (byte < 0x20) return {'^', static_cast<char>(byte + '@')};
    if (byte == 0x7f) return "^?";
    const auto safe = escape_controls(character);
    return MB_CUR_MAX == 1 && byte >= 0x80 ? "?" : safe;
}

std::size_t character_length(std::string_view text) {
    std::size_t length = 1;
    while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80) ++length;
    // Combining characters go with what they stand on.
    return length;
}

Drawn draw_input(const InputLine& input, std::size_t columns) {
    Drawn drawn;
    Line whole{{escape_controls(input.prompt), Role::Prompt}};
    std::size_t before_cursor = columns_of(whole);
    std::string_view rest = input.text;
    for (std::size_t at = 0; !rest.empty();) {
        const auto length = character_length(rest);
        Span span;
        span.text = visible(rest.substr(0, length));
        span.underlined = std::ranges::any_of(
            input.marks, [at](const auto& mark) { return at >= mark.begin && at < mark.end; });
        if (at < input.point) before_cursor += columns_of(span.text);
        if (whole.back().role == span.role && whole.back().underlined == span.underlined)
            whole.back().text += span.text;
        else
            whole.push_back(std::move(span));
        at += length;
        rest.remove_prefix(length);
    }
    if (!input.suggestion.empty())
        whole.push_back({escape_controls(input.suggestion.substr(0, columns)), Role::Suggestion});
    drawn.lines = wrap(whole, columns);
    // Where the cursor is, by the same rule as wrap(): a wide character that does not fit goes to the next
    // row.
    Line before = whole;
    std::size_t left = before_cursor;
    for (auto& span : before) {
        const auto part = cut_to_columns(span.text, left);
        left -= columns_of(part);
        span.text = part;
    }
    const auto rows = wrap(before, columns);
    drawn.row = rows.size() - 1;
    drawn.column = columns_of(rows.back());
    if (drawn.column >= columns) {
        ++drawn.row;
        drawn.column = 0;
    }
    while (drawn.lines.size() <= drawn.row) drawn.lines.emplace_back();
    return drawn;
}

Layout plan(const Screen& screen) {
    Layout layout;
    std::size_t left = screen.rows;
    const auto take = [&left](std::size_t rows, std::size_t keep) {
        const auto taken = left > keep ? std::min(rows, left - keep) : 0;
        left -= taken;
        return taken;
    };
    if (screen.editing) {
        const auto wanted = draw_input(screen.input, screen.columns).lines.size();
        layout.input = take(std::min(wanted, std::max<std::size_t>(1, screen.rows / 3)), 0);
    } else {
        layout.hint = take(1, 0);
    }
    layout.status = take(1, 1);
    if (screen.editing) layout.hint = take(1, 2);
    layout.title = take(1, 1);
    layout.body = left;
    return layout;
}

Line bar(Line line, std::size_t columns) {
    line = fit(std::move(line), columns);
    const auto used = columns_of(line);
    if (used < columns) line.push_back({std::string(columns - used, ' '), Role::Title});
    return line;
}

/// Over the last lines of the body.
void lay_popup(const Popup& popup, std::size_t columns, std::vector<Line>& body) {
    const auto rows = std::min({popup.rows.size(), body.size(), std::size_t{10}});
    if (rows == 0) return;
    const auto first = popup.chosen < popup.rows.size() && popup.chosen >= rows ? popup.chosen - rows + 1 : 0;
    std::size_t width = 0;
    for (std::size_t i = 0; i < rows; ++i)
        width = std::max(width, columns_of(escape_controls(popup.rows[first + i].text)));
    for (std::size_t i = 0; i < rows; ++i) {
        const auto& row = popup.rows[first + i];
        const auto text = escape_controls(row.text);
        Line line{{" " + text + std::string(width - columns_of(text) + 1, ' '), Role::Name}};
        if (!row.note.empty()) line.push_back({" " + escape_controls(row.note), Role::Dim});
        const bool chosen = first + i == popup.chosen;
        if (i + 1 == rows && popup.rows.size() > rows)
            line.insert(line.begin() + 1,
                        Span{fmt::format(" ({} of {})", first + rows, popup.rows.size()), Role::Dim});
        line.insert(line.begin(), Span{chosen ? ">" : "|", Role::Dim});
        for (auto& span : line) span.selected = chosen;
        body[body.size() - rows + i] = fit(std::move(line), columns);
    }
}

}  // namespace

std::size_t body_rows(const Screen& screen) {
    return plan(screen).body;
}

Frame render(const Screen& screen) {
    const auto layout = plan(screen);
    Frame frame;
    frame.rows = screen.rows;
    frame.columns = screen.columns;
    frame.bell = screen.bell;
    if (layout.title > 0) frame.lines.push_back(bar(screen.title, screen.columns));
    std::vector<Line> body = screen.body;
    if (body.size() > layout.body) {
        const auto extra = static_cast<std::ptrdiff_t>(body.size() - layout.body);
        screen.body_at_bottom ? body.erase(body.begin(), body.begin() + extra)
                              : body.erase(body.end() - extra, body.end());
    }
    const auto missing = layout.body - body.size();
    body.insert(screen.body_at_bottom ? body.begin() : body.end(), missing, Line());
    lay_popup(screen.popup, screen.columns, body);
    for (auto& line : body) frame.lines.push_back(fit(std::move(line), screen.columns));
    if (layout.hint > 0) frame.lines.push_back(fit(screen.hint, screen.columns));
    if (layout.input > 0) {
        auto drawn = draw_input(screen.input, screen.columns);
        if (layout.input == 1 && drawn.row > 0 && drawn.column == 0 && screen.columns > 1) {
            // A single row would show nothing of what has just filled the last one.
            --drawn.row;
            drawn.column = screen.columns - 1;
        }
        const auto first = drawn.row >= layout.input ? drawn.row - layout.input + 1 : 0;
        frame.cursor_row = frame.lines.size() + drawn.row - first;
        frame.cursor_column = drawn.column;
        for (std::size_t i = 0; i < layout.input; ++i)
            frame.lines.push_back(first + i < drawn.lines.size() ? drawn.lines[first + i] : Line());
    } else {
        frame.cursor_row = frame.lines.empty() ? 0 : frame.lines.size() - 1;
    }
    if (layout.status > 0) frame.lines.push_back(bar(screen.status, screen.columns));
    frame.lines.resize(screen.rows);
    return frame;
}

}  // namespace qvm::shell
