// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/page.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "shell/search.hpp"

namespace qvm::shell {
Line with_matches(const Line& line, std::string_view needle) {
    if (needle.empty()) return line;
    Line out;
    for (const auto& span : line) {
        std::string_view rest = span.text;
        const auto add = [&out, &span](std::string_view text, Role role) {
            if (text.empty()) return;
            auto piece = span;
            piece.text = text;
            piece.role = role;
            out.push_back(std::move(piece));
        };
        for (auto at = find_text(rest, needle); at != std::string_view::npos; at = find_text(rest, needle)) {
            add(rest.substr(0, at), span.role);
            add(rest.substr(at, needle.size()), Role::Match);
            rest.remove_prefix(at + needle.size());
        }
        add(rest, span.role);
    }
    return out;
}

std::string plain_text(const Line& line) {
    std::string text;
    for (const auto& span : line) text += span.text;
    return text;
}

void Page::lay_out(std::size_t columns) {
    if (columns == columns_) return;
    columns_ = columns;
    laid_out_ = content_(columns);
}

std::vector<Line> Page::lines(std::size_t rows, std::size_t columns) {
    lay_out(columns);
    rows_ = rows;
    first_ = std::min(first_, last_first());
    std::vector<Line> out;
    for (std::size_t i = first_; i < laid_out_.size() && out.size() < rows; ++i)
        out.push_back(with_matches(laid_out_[i], needle_));
    return out;
}

void Page::scroll(long rows) {
    if (rows < 0)
        first_ -= std::min(first_, static_cast<std::size_t>(-rows));
    else
        first_ = std::min(first_ + static_cast<std::size_t>(rows), last_first());
}

void Page::to_bottom() {
    first_ = last_first();
}

bool Page::search(const std::string& needle, bool backwards) {
    const bool same = needle == needle_;
    needle_ = needle;
    auto at = static_cast<std::ptrdiff_t>(first_);
    if (same) at += backwards ? -1 : 1;
    const auto size = static_cast<std::ptrdiff_t>(laid_out_.size());
    for (; at >= 0 && at < size; at += backwards ? -1 : 1) {
        if (find_text(plain_text(laid_out_[static_cast<std::size_t>(at)]), needle) == std::string_view::npos)
            continue;
        first_ = static_cast<std::size_t>(at);
        return true;
    }
    return false;
}

std::string Page::place() const {
    if (laid_out_.size() <= rows_) return "all";
    if (first_ >= last_first()) return "end";
    return fmt::format("{}%", first_ * 100 / last_first());
}

}  // namespace qvm::shell
