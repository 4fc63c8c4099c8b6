// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/layout.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::shell {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrow = 10;  ///< what a column can be cut to before another is left out

/// The words of a paragraph, each with the pieces it is made of, as "(" and a bold name may be one word.
std::vector<Line> words_of(const Line& paragraph) {
    std::vector<Line> words;
    bool joined = false;
    for (const auto& piece : paragraph) {
        std::string_view rest = piece.text;
        while (!rest.empty()) {
            const auto blanks = std::min(rest.find_first_not_of(' '), rest.size());
            if (blanks != 0) joined = false;
            rest.remove_prefix(blanks);
            const auto length = std::min(rest.find(' '), rest.size());
            if (length == 0) continue;
            if (!joined) words.emplace_back();
            auto part = piece;
            part.text = rest.substr(0, length);
            words.back().push_back(std::move(part));
            joined = true;
            rest.remove_prefix(length);
        }
    }
    return words;
}

void append(Line& line, Span piece) {
    if (!line.empty() && line.back().role == piece.role && line.back().selected == piece.selected &&
        line.back().underlined == piece.underlined) {
        line.back().text += piece.text;
    } else {
        line.push_back(std::move(piece));
    }
}

/// A text's last columns, after a mark.
std::string last_columns(std::string_view text, std::size_t columns) {
    const auto whole = columns_of(text);
    if (whole <= columns) return std::string(text);
    const std::string_view mark = MB_CUR_MAX > 1 ? "…" : "<";
    if (columns == 0) return {};
    const auto cut = cut_to_columns(text, whole - (columns - 1));
    auto rest = text.substr(cut.size());
    // A wide character that lay across the cut.
    while (!rest.empty() && columns_of(rest) > columns - 1)
        rest.remove_prefix(std::max<std::size_t>(1, cut_to_columns(rest, 2).size()));
    return std::string(mark) + std::string(rest);
}

class Fitting {
  public:
    Fitting(const std::vector<Column>& header, const std::vector<Line>& rows, std::size_t columns)
        : header_(header), widths_(header.size()), shown_(header.size(), true) {
        for (std::size_t i = 0; i < header.size(); ++i) {
            widths_[i] = columns_of(header[i].title);
            for (const auto& row : rows)
                if (i < row.size()) widths_[i] = std::max(widths_[i], columns_of(row[i].text));
        }
        // A column without a single cell tells only that it could be left out.
        for (std::size_t i = 0; i < header.size(); ++i)
            shown_[i] = header[i].importance == 0 || std::ranges::any_of(rows, [&](const Line& row) {
                            return i < row.size() && !row[i].text.empty();
                        });
        empty_ = shown_;
        empty_.flip();
        while (total() > columns && (drop(3) || shrink(columns) || drop(1))) continue;
    }

    std::size_t width(std::size_t i) const { return widths_[i]; }
    bool shown(std::size_t i) const { return shown_[i]; }
    bool dropped(std::size_t i) const { return !shown_[i] && !empty_[i]; }

  private:
    std::size_t total() const {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < widths_.size(); ++i)
            if (shown_[i]) sum += widths_[i] + gap;
        return sum == 0 ? 0 : sum - gap;
    }
    /// Takes what is missing from the widest column. False when that would leave too little of it.
    bool shrink(std::size_t columns) {
        std::size_t widest = widths_.size(), second = narrow;
        for (std::size_t i = 0; i < widths_.size(); ++i) {
            if (!shown_[i] || header_[i].right) continue;
            if (widest == widths_.size() || widths_[i] > widths_[widest]) {
                if (widest != widths_.size()) second = std::max(second, widths_[widest]);
                widest = i;
            } else {
                second = std::max(second, widths_[i]);
            }
        }
        if (widest == widths_.size() || widths_[widest] <= narrow) return false;
        const auto missing = total() - columns;
        const auto least = second < widths_[widest] ? second : widths_[widest] - 1;
        widths_[widest] = std::max(least, widths_[widest] - std::min(missing, widths_[widest]));
        return true;
    }
    /// Leaves out the column that matters least, if it does not matter more than so much.
    bool drop(unsigned importance) {
        std::size_t least = header_.size();
        for (std::size_t i = 0; i < header_.size(); ++i) {
            if (!shown_[i] || header_[i].importance < importance) continue;
            if (least == header_.size() || header_[i].importance >= header_[least].importance) least = i;
        }
        if (least == header_.size()) return false;
        shown_[least] = false;
        return true;
    }

    const std::vector<Column>& header_;
    std::vector<std::size_t> widths_;
    std::vector<bool> shown_;
    std::vector<bool> empty_;
};

Line table_row(const std::vector<Column>& header, const Line& cells, const Fitting& fitting,
               std::size_t columns) {
    Line line;
    std::size_t owed = 0;  // blanks that are only written when something follows
    for (std::size_t i = 0; i < header.size(); ++i) {
        if (!fitting.shown(i)) continue;
        Span cell = i < cells.size() ? cells[i] : Span{};
        const auto width = fitting.width(i);
        if (header[i].tail)
            cell.text = last_columns(cell.text, width);
        else if (columns_of(cell.text) > width)
            cell.text = width == 0 ? "" : fit({cell}, width).back().text;
        const auto used = columns_of(cell.text);
        const auto padding = width - std::min(width, used);
        if (header[i].right) owed += padding;
        if (!cell.text.empty()) {
            if (owed != 0) append(line, {std::string(owed, ' ')});
            line.push_back(std::move(cell));
            owed = 0;
        }
        owed += gap + (header[i].right ? 0 : padding);
        if (used == 0 && header[i].right) continue;
    }
    return fit(std::move(line), columns);
}

}  // namespace

Span span(std::string_view text, Role role) {
    auto printable = escape_controls(text);
    std::ranges::replace(printable, '\t', ' ');
    return {std::move(printable), role};
}

void flow(const Line& paragraph, std::size_t first, std::size_t rest, std::size_t columns,
          std::vector<Line>& lines) {
    if (columns == 0) return;
    const auto begin = [&](std::size_t indent) {
        // On a screen that is narrower than the indent there is none.
        const auto room = indent + narrow <= columns ? indent : 0;
        Line line;
        if (room != 0) line.push_back({std::string(room, ' ')});
        return line;
    };
    auto line = begin(first);
    bool empty = true;
    for (const auto& word : words_of(paragraph)) {
        if (!empty && columns_of(line) + 1 + columns_of(word) > columns) {
            lines.push_back(std::move(line));
            line = begin(rest);
            empty = true;
        }
        if (!empty)
            append(line, {" ", line.back().role == word.front().role ? word.front().role : Role::Plain});
        for (const auto& piece : word) append(line, piece);
        empty = false;
        if (columns_of(line) <= columns) continue;
        auto broken = wrap(line, columns);
        std::move(broken.begin(), broken.end() - 1, std::back_inserter(lines));
        line = std::move(broken.back());
    }
    if (!empty) lines.push_back(std::move(line));
}

std::vector<Line> table(const std::vector<Column>& header, const std::vector<Line>& rows,
                        std::size_t columns) {
    const Fitting fitting(header, rows, columns);
    Line titles;
    std::string missing;
    for (std::size_t i = 0; i < header.size(); ++i) {
        titles.push_back(span(header[i].title, Role::Title));
        if (fitting.dropped(i)) missing += (missing.empty() ? "not shown: " : ", ") + header[i].title;
    }
    std::vector<Line> lines{table_row(header, titles, fitting, columns)};
    for (const auto& row : rows) lines.push_back(table_row(header, row, fitting, columns));
    if (!missing.empty()) lines.push_back(fit({span(missing, Role::Dim)}, columns));
    return lines;
}

const TreeStrokes& tree_strokes() {
    static constexpr TreeStrokes drawn{"├─ ", "└─ ", "│  ", "   "};
    static constexpr TreeStrokes ascii{"|- ", "`- ", "|  ", "   "};
    return MB_CUR_MAX > 1 ? drawn : ascii;
}

std::string short_size(double bytes) {
    static constexpr std::array<const char*, 7> units{"", "K", "M", "G", "T", "P", "E"};
    if (!(bytes >= 0)) return "?";
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    const double tenths = std::round(bytes * 10) / 10;
    if (tenths >= 1024 && unit + 1 < units.size()) return fmt::format("1{}", units[unit + 1]);
    const bool whole = tenths == std::floor(tenths) || tenths >= 100;
    return whole ? fmt::format("{:.0f}{}", tenths, units[unit])
                 : fmt::format("{:.1f}{}", tenths, units[unit]);
}

}  // namespace qvm::shell
