// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/frame.hpp"

#include <algorithm>
#include <cstdlib>
#include <cwchar>

namespace qvm::shell {
namespace {

/// One character: its bytes, and the columns it takes. What the locale cannot read is one column.
struct Character {
    std::size_t bytes = 1;
    std::size_t columns = 1;
};

Character first_of(std::string_view text) {
    if (static_cast<unsigned char>(text.front()) < 0x80) return {};
    wchar_t wide = 0;
    std::mbstate_t state{};
    const std::size_t bytes = std::mbrtowc(&wide, text.data(), text.size(), &state);
    if (bytes == 0 || bytes > text.size()) return {};
    return {bytes, static_cast<std::size_t>(std::max(0, ::wcwidth(wide)))};
}

const char* ellipsis() {
    return MB_CUR_MAX > 1 ? "…" : ">";
}

}  // namespace

const char* name_of(Role role) {
    switch (role) {
        case Role::Plain:
            return "plain";
        case Role::Dim:
            return "dim";
        case Role::Title:
            return "title";
        case Role::Prompt:
            return "prompt";
        case Role::Ok:
            return "ok";
        case Role::Error:
            return "error";
        case Role::Warning:
            return "warning";
        case Role::Pending:
            return "pending";
        case Role::Event:
            return "event";
        case Role::Notice:
            return "notice";
        case Role::Name:
            return "name";
        case Role::Key:
            return "key";
        case Role::String:
            return "string";
        case Role::Number:
            return "number";
        case Role::Literal:
            return "literal";
        case Role::Suggestion:
            return "suggestion";
        case Role::Match:
            return "match";
    }
    return "plain";
}

std::size_t columns_of(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        const auto one = first_of(text);
        columns += one.columns;
        text.remove_prefix(one.bytes);
    }
    return columns;
}

std::size_t columns_of(const Line& line) {
    std::size_t columns = 0;
    for (const auto& span : line) columns += columns_of(span.text);
    return columns;
}

std::string_view cut_to_columns(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    while (at < text.size()) {
        const auto one = first_of(text.substr(at));
        if (one.columns > columns) break;
        columns -= one.columns;
        at += one.bytes;
    }
    return text.substr(0, at);
}

Line fit(Line line, std::size_t columns) {
    std::size_t used = 0;
    std::size_t whole = 0;
    // Long text is not measured to its end: a line may hold megabytes.
    for (; whole < line.size(); ++whole) {
        const auto kept = cut_to_columns(line[whole].text, columns - used);
        if (kept.size() < line[whole].text.size()) break;
        used += columns_of(kept);
    }
    if (whole == line.size()) return line;
    line.resize(whole + 1);
    while (used >= columns && line.size() > 1) {
        line.pop_back();
        used -= columns_of(line.back().text);
    }
    if (columns == 0) return {};
    line.back().text = std::string(cut_to_columns(line.back().text, columns - used - 1)) + ellipsis();
    return line;
}

std::vector<Line> wrap(const Line& line, std::size_t columns) {
    std::vector<Line> lines(1);
    std::size_t used = 0;
    for (const auto& span : line) {
        std::string_view rest = span.text;
        while (!rest.empty()) {
            auto part = cut_to_columns(rest, columns - std::min(columns, used));
            if (part.empty() && used == 0)
                part = rest.substr(0, first_of(rest).bytes);  // wider than the screen
            if (part.empty()) {
                lines.emplace_back();
                used = 0;
                continue;
            }
            auto piece = span;
            piece.text = part;
            lines.back().push_back(std::move(piece));
            used += columns_of(part);
            rest.remove_prefix(part.size());
        }
    }
    return lines;
}

}  // namespace qvm::shell
