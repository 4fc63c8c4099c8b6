// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/details.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "shell/formatter.hpp"
#include "shell/search.hpp"
#include "shell/tables.hpp"

namespace qvm::shell {
namespace {

std::string time_of(std::int64_t microseconds) {
    FormatOptions options;
    options.clock = Clock::Microseconds;
    options.utc_offset = local_utc_offset;
    return time_text(microseconds, options);
}

std::string duration_of(const Item& item) {
    const auto microseconds = item.ended() - item.began;
    if (microseconds < 1000) return fmt::format("{} us", microseconds);
    if (microseconds < 10'000'000) return fmt::format("{:.1f} ms", static_cast<double>(microseconds) / 1e3);
    return fmt::format("{:.1f} s", static_cast<double>(microseconds) / 1e6);
}

}  // namespace

Details::Details(const Item& item)
    : number_(item.number), title_(fmt::format("{}  item {}", escape_controls(item.name), item.number)) {
    command_ = item.kind == ItemKind::Command ? item.name : std::string();
    make_parts(item);
    make_table();
    if (table_) form_ = Form::Table;
    // What came is what one wants to see: the cursor is on the first value of it.
    cursor_ = parts_.size() > 1 ? rows_of(parts_[0]) + 1 : std::min<std::size_t>(1, row_count() - 1);
}

void Details::make_parts(const Item& item) {
    parts_.clear();
    const auto add = [this](Line header, std::string text, bool tree) {
        Part part{std::move(header), std::move(text), std::nullopt};
        if (tree && !part.text.empty()) part.tree.emplace(part.text, columns_);
        parts_.push_back(std::move(part));
    };
    if (item.kind == ItemKind::Notice) return add({{escape_controls(item.name), Role::Notice}}, {}, false);
    if (item.kind == ItemKind::Event)
        return add({{time_of(item.began) + "  <- event", Role::Dim}}, item.received, true);
    Line sent{{time_of(item.began) + "  -> sent", Role::Dim}};
    if (!item.client().empty()) sent.push_back({" by " + escape_controls(item.client()), Role::Dim});
    if (!item.typed().empty()) sent.push_back({"  as  " + escape_controls(item.typed()), Role::Dim});
    add(std::move(sent), item.sent(), true);
    Role role = Role::Pending;
    if (item.state == ItemState::Ok) role = Role::Ok;
    if (item.state == ItemState::Error) role = Role::Error;
    if (item.state == ItemState::Lost) role = Role::Warning;
    // The state first: it is to be seen in a narrow window, too.
    const Span state{fmt::format("[{}]", name_of(item.state)), role};
    if (item.state == ItemState::Pending) return add({state, {" waiting", Role::Dim}}, item.received, true);
    Line came{
        {time_of(item.ended()) + "  <- ", Role::Dim}, state, {" came after " + duration_of(item), Role::Dim}};
    if (item.state == ItemState::Lost)
        came.back().text = " the connection ended: nobody knows whether it ran";
    add(std::move(came), item.received, true);
}

void Details::update(const Item& item) {
    const auto cursor = cursor_;
    make_parts(item);
    make_table();
    cursor_ = std::min(cursor, row_count() - 1);
}

std::size_t Details::rows_of(const Part& part) const {
    return 1 + (part.tree ? part.tree->rows() : 0);
}

std::size_t Details::row_count() const {
    std::size_t rows = 0;
    for (const auto& part : parts_) rows += rows_of(part);
    return rows;
}

Details::Place Details::at(std::size_t row) const {
    for (const auto& part : parts_) {
        const auto rows = rows_of(part);
        if (row < rows) return {&part, row == 0 ? std::nullopt : std::optional(row - 1)};
        row -= rows;
    }
    return {};
}

Details::Part* Details::selected_part(std::size_t& row) {
    row = cursor_;
    for (auto& part : parts_) {
        const auto rows = rows_of(part);
        if (row < rows) {
            if (row == 0 || !part.tree) return nullptr;
            --row;
            return &part;
        }
        row -= rows;
    }
    return nullptr;
}

/// Only what is visited is laid out: a message may have megabytes on one line.
void Details::each_raw_line(const std::function<bool(const Line&)>& visit) const {
    const auto width = std::max<std::size_t>(1, columns_);
    for (const auto& part : parts_) {
        if (!visit(part.header)) return;
        for (std::string_view rest = part.text; !rest.empty();) {
            const auto piece = cut_to_columns(rest, width);
            for (const auto& line : wrap({{escape_controls(piece), Role::Plain}}, width))
                if (!visit(line)) return;
            rest.remove_prefix(std::max<std::size_t>(1, piece.size()));
        }
    }
}

std::vector<Line> Details::raw_lines() {
    std::vector<Line> out;
    std::size_t at = 0;
    each_raw_line([&](const Line& line) {
        if (at++ >= first_) out.push_back(with_matches(fit(line, columns_), needle_));
        return out.size() < rows_;
    });
    // Never beyond a screen that is full.
    const auto last = at > rows_ ? at - rows_ : 0;
    if (out.size() >= rows_ || first_ <= last) return out;
    first_ = last;
    return raw_lines();
}

std::vector<Line> Details::lines(std::size_t rows, std::size_t columns) {
    rows_ = rows;
    if (columns != columns_) {
        columns_ = columns;
        for (auto& part : parts_)
            if (part.tree) part.tree->set_columns(columns);
        cursor_ = std::min(cursor_, row_count() - 1);
    }
    if (rows == 0) return {};
    if (form_ == Form::Raw) return raw_lines();
    if (form_ == Form::Table) return table_->lines(rows, columns);
    // Never with less than a full screen, where there is more.
    first_ = std::min({first_, cursor_, row_count() - std::min(row_count(), rows)});
    if (rows > 0 && cursor_ >= first_ + rows) first_ = cursor_ - rows + 1;
    std::vector<Line> out;
    for (std::size_t row = first_; row < row_count() && out.size() < rows; ++row) {
        const auto place = at(row);
        auto line = place.row ? place.part->tree->row(*place.row, columns) : fit(place.part->header, columns);
        line = with_matches(line, needle_);
        if (row == cursor_) {
            if (line.empty()) line.push_back({" "});
            for (auto& span : line) span.selected = true;
        }
        out.push_back(std::move(line));
    }
    return out;
}

void Details::move(long rows) {
    if (form_ == Form::Table) return table_->scroll(rows);
    if (form_ == Form::Raw) {
        first_ = rows < 0 ? first_ - std::min(first_, static_cast<std::size_t>(-rows))
                          : first_ + static_cast<std::size_t>(rows);
        return;
    }
    const auto last = row_count() - 1;
    cursor_ = rows < 0 ? cursor_ - std::min(cursor_, static_cast<std::size_t>(-rows))
                       : std::min(cursor_ + static_cast<std::size_t>(rows), last);
}

void Details::page(bool down) {
    const auto rows = static_cast<long>(rows_ > 1 ? rows_ - 1 : 1);
    move(down ? rows : -rows);
}

void Details::to_top() {
    if (form_ == Form::Table) return table_->to_top();
    if (form_ == Form::Tree) cursor_ = 0;
    first_ = 0;
}

void Details::to_bottom() {
    if (form_ == Form::Table) return table_->to_bottom();
    if (form_ == Form::Tree)
        cursor_ = row_count() - 1;
    else
        first_ = std::numeric_limits<std::size_t>::max() / 2;
}

void Details::select_row_on_screen(std::size_t row) {
    if (form_ == Form::Tree) cursor_ = std::min(first_ + row, row_count() - 1);
}

void Details::toggle() {
    std::size_t row = 0;
    if (auto* part = selected_part(row)) part->tree->toggle(row);
}

void Details::fold() {
    std::size_t row = 0;
    auto* part = selected_part(row);
    if (part == nullptr) return;
    if (part->tree->can_unfold(row) && !part->tree->is_folded(row)) return part->tree->fold(row);
    // Nothing to fold here: to what it is in.
    cursor_ -= row - part->tree->parent_of(row);
}

void Details::unfold() {
    std::size_t row = 0;
    if (auto* part = selected_part(row)) part->tree->unfold(row);
}

void Details::fold_all() {
    for (auto& part : parts_)
        if (part.tree) part.tree->fold_all();
    cursor_ = std::min(cursor_, row_count() - 1);
}

void Details::unfold_all() {
    for (auto& part : parts_)
        if (part.tree) part.tree->unfold_to(100);
}

void Details::next_form() {
    switch (form_) {
        case Form::Table:
            form_ = Form::Tree;
            break;
        case Form::Tree:
            form_ = Form::Raw;
            break;
        case Form::Raw:
            form_ = table_ ? Form::Table : Form::Tree;
            break;
    }
    first_ = 0;
}

/// Replies of megabytes are for the tree.
void Details::make_table() {
    constexpr std::size_t largest = std::size_t{4} << 20U;
    const auto form = std::exchange(form_, form_ == Form::Table ? Form::Tree : form_);
    table_.reset();
    if (command_.empty() || parts_[1].text.empty() || parts_[1].text.size() > largest) return;
    const auto reply = Json::parse(parts_[1].text, nullptr, false);
    if (!reply.is_object() || !reply.contains("return") || !augment(command_, reply["return"], columns_))
        return;
    form_ = form;
    table_.emplace(title_, [header = parts_[1].header, command = command_,
                            value = reply["return"]](std::size_t columns) {
        auto lines = augment(command, value, columns).value_or(std::vector<Line>());
        lines.insert(lines.begin(), header);
        for (auto& line : lines) line = fit(std::move(line), columns);
        return lines;
    });
}

bool Details::search(const std::string& needle, bool backwards) {
    const bool again = needle == needle_;
    needle_ = needle;
    switch (form_) {
        case Form::Table:
            return table_->search(needle, backwards);
        case Form::Tree:
            return search_trees(again, backwards);
        case Form::Raw:
            return search_raw(again, backwards);
    }
    return false;
}

bool Details::search_raw(bool again, bool backwards) {
    std::size_t at = 0;
    std::optional<std::size_t> found;
    each_raw_line([&](const Line& line) {
        const auto row = at++;
        if (backwards ? row >= first_ : row < first_ + (again ? 1 : 0)) return !backwards;
        if (find_text(plain_text(line), needle_) == std::string_view::npos) return true;
        found = row;
        return backwards;
    });
    if (found) first_ = *found;
    return found.has_value();
}

bool Details::holds(const JsonTree& tree, std::size_t row) const {
    // What is in an object that is folded is looked at one by one.
    if (tree.can_unfold(row) && tree.is_folded(row) && !tree.text_of(row).starts_with('"')) return false;
    return find_text(plain_text(tree.row(row, columns_)), needle_) != std::string_view::npos ||
           (tree.can_unfold(row) && tree.is_folded(row) &&
            find_text(tree.text_of(row), needle_) != std::string_view::npos);
}

bool Details::search_trees(bool again, bool backwards) {
    std::size_t before = 0;
    std::vector<std::size_t> starts;
    for (const auto& part : parts_) {
        starts.push_back(before);
        before += rows_of(part);
    }
    const auto count = static_cast<long>(parts_.size());
    for (long i = backwards ? count - 1 : 0; i >= 0 && i < count; i += backwards ? -1 : 1) {
        auto& part = parts_[static_cast<std::size_t>(i)];
        const auto start = starts[static_cast<std::size_t>(i)] + 1;
        if (!part.tree || part.tree->rows() == 0) continue;
        const auto end = start + part.tree->rows();
        if (backwards ? start > cursor_ : end <= cursor_) continue;
        // The row itself is not looked at again, but is when something else is looked for.
        auto from = std::numeric_limits<std::size_t>::max();
        if (cursor_ >= start && cursor_ < end) from = cursor_ - start;
        if (!again && from < part.tree->rows() && holds(*part.tree, from)) return true;
        if (const auto found = part.tree->find(needle_, from, backwards)) {
            cursor_ = start + *found;
            return true;
        }
    }
    return false;
}

std::string Details::selected_text() const {
    const auto place = at(cursor_);
    if (place.part == nullptr) return {};
    if (place.row && form_ != Form::Raw) return place.part->tree->text_of(*place.row);
    return place.part->text;
}

std::string Details::selected_path() const {
    const auto place = at(cursor_);
    return place.row ? place.part->tree->path_of(*place.row) : ".";
}

}  // namespace qvm::shell
