// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/log_view.hpp"

#include <algorithm>
#include <utility>

#include "shell/page.hpp"
#include "shell/search.hpp"

namespace qvm::shell {
namespace {

/// Fewer alike events in a row than this are shown one by one.
constexpr std::size_t run_worth_folding = 4;

bool holds(const Item& item, std::string_view needle) {
    return find_text(item.name, needle) != std::string_view::npos ||
           find_text(item.typed(), needle) != std::string_view::npos ||
           find_text(item.sent(), needle) != std::string_view::npos ||
           find_text(item.received, needle) != std::string_view::npos;
}

}  // namespace

bool LogView::shown(const Item& item) const {
    return item.number >= hidden_before_ && (!filter_ || filter_->matches(item));
}

void LogView::changed(const Item& item) {
    if (is_linear(mode_)) note_answer(item);
    while (!matching_.empty() && matching_.front() < transcript_.first()) matching_.pop_front();
    if (!filter_) return;
    const auto place = std::ranges::lower_bound(matching_, item.number);
    const bool is_in = place != matching_.end() && *place == item.number;
    if (shown(item) == is_in) return;
    is_in ? (void)matching_.erase(place) : (void)matching_.insert(place, item.number);
}

void LogView::set_mode(ViewMode mode) {
    if (is_linear(mode) != is_linear(mode_)) {
        answers_.clear();
        if (is_linear(mode))
            for (const auto& item : transcript_.items()) note_answer(item);
    }
    mode_ = mode;
    cut_ = 0;
}

void LogView::set_filter(std::optional<Filter> filter, std::string text) {
    filter_ = std::move(filter);
    filter_text_ = std::move(text);
    matching_.clear();
    if (filter_) {
        for (const auto& item : transcript_.items())
            if (shown(item)) matching_.push_back(item.number);
    }
    follow();
    if (selected_) select(shown_before(*selected_));
}

void LogView::hide_past() {
    hidden_before_ = transcript_.next();
    set_filter(std::move(filter_), std::move(filter_text_));
    selected_.reset();
}

std::optional<std::uint64_t> LogView::shown_before(std::uint64_t number) const {
    if (transcript_.items().empty()) return std::nullopt;
    number = std::min(number, transcript_.next() - 1);
    const auto lowest = std::max(hidden_before_, transcript_.first());
    if (!filter_) return number >= lowest ? std::optional(number) : std::nullopt;
    const auto after = std::ranges::upper_bound(matching_, number);
    if (after == matching_.begin() || *std::prev(after) < lowest) return std::nullopt;
    return *std::prev(after);
}

std::optional<std::uint64_t> LogView::shown_after(std::uint64_t number) const {
    number = std::max({number, hidden_before_, transcript_.first()});
    if (!filter_) return number < transcript_.next() ? std::optional(number) : std::nullopt;
    const auto at = std::ranges::lower_bound(matching_, number);
    return at == matching_.end() ? std::nullopt : std::optional(*at);
}

std::size_t LogView::shown_count(std::uint64_t first, std::uint64_t last) const {
    first = std::max({first, hidden_before_, transcript_.first()});
    if (!filter_) return last >= first ? static_cast<std::size_t>(last - first + 1) : 0;
    return static_cast<std::size_t>(std::ranges::upper_bound(matching_, last) -
                                    std::ranges::lower_bound(matching_, first));
}

LogView::Block LogView::block_of(std::uint64_t number) const {
    const auto* item = transcript_.find(number);
    if (item == nullptr || item->run == 0 || open_runs_.contains(item->run)) return {number, number, 1};
    auto last = number;
    for (const auto* next = transcript_.find(last + 1); next != nullptr && next->run == item->run;
         next = transcript_.find(last + 1))
        ++last;
    const auto first = std::max(item->run, transcript_.first());
    const auto count = shown_count(first, last);
    if (count < run_worth_folding) return {number, number, 1};
    return {first, last, count};
}

std::optional<LogView::Block> LogView::block_up(std::uint64_t number) const {
    const auto at = shown_before(number);
    return at ? std::optional(block_of(*at)) : std::nullopt;
}

std::optional<LogView::Block> LogView::block_down(std::uint64_t number) const {
    const auto at = shown_after(number);
    return at ? std::optional(block_of(*at)) : std::nullopt;
}

std::vector<LogView::Row> LogView::layout(const Block& block) const {
    const auto shown_item = shown_before(block.last);
    const auto* item = shown_item ? transcript_.find(*shown_item) : nullptr;
    if (item == nullptr) return {};
    std::vector<Row> rows;
    if (!is_linear(mode_)) {
        append_rows(rows, *item, block, Part::Both);
        return rows;
    }
    append_rows(rows, *item, block, item->kind == ItemKind::Command ? Part::Sent : Part::Both);
    // What came before the next item that is shown.
    const auto next = shown_after(block.last + 1).value_or(transcript_.next());
    for (auto at = answers_.lower_bound(block.first); at != answers_.end() && at->first < next; ++at) {
        for (const auto number : at->second) {
            const auto* command = transcript_.find(number);
            if (command != nullptr && shown(*command))
                append_rows(rows, *command, {number, number, 1}, Part::Received);
        }
    }
    return rows;
}

void LogView::append_rows(std::vector<Row>& rows, const Item& item, const Block& block, Part part) const {
    FormatOptions options;
    options.columns = columns_;
    options.clock = clock_;
    options.utc_offset = local_utc_offset;
    options.part = part;
    if (block.count > 1) options.fold = {block.count, names_of_run(item)};
    const bool is_selected = selected_ && *selected_ >= block.first && *selected_ <= block.last;
    for (auto& line : format(item, mode_, options)) {
        line = with_matches(line, needle_);
        if (is_selected)
            for (auto& span : line) span.selected = true;
        rows.push_back({std::move(line), block.last});
    }
}

/// A run has two names at most. In one order, whichever came last.
std::string LogView::names_of_run(const Item& last) const {
    for (std::uint64_t back = 1; back <= 2; ++back) {
        const auto* other = transcript_.find(last.number - back);
        if (other == nullptr || other->run != last.run) break;
        if (other->name != last.name && shown(*other))
            return std::min(other->name, last.name) + "/" + std::max(other->name, last.name);
    }
    return last.name;
}

void LogView::note_answer(const Item& item) {
    if (item.kind == ItemKind::Command && item.answered_after() != 0)
        answers_[item.answered_after()].push_back(item.number);
    while (!answers_.empty() && answers_.begin()->first < transcript_.first())
        answers_.erase(answers_.begin());
}

std::optional<LogView::Block> LogView::bottom_block() const {
    return block_up(bottom_.value_or(transcript_.next()));
}

std::vector<Line> LogView::lines(std::size_t rows, std::size_t columns) {
    rows_ = rows;
    columns_ = columns;
    if (bottom_ && !shown_before(*bottom_)) {
        // What was looked at has left the ring: its place is the oldest there is.
        to_top();
    }
    auto out = visible_lines();
    if (bottom_ && out.size() < rows_) {
        // What was above it has left the ring: the screen is filled from below.
        to_top();
        out = visible_lines();
    }
    return out;
}

std::vector<Line> LogView::visible_lines() {
    std::vector<Line> out;
    items_of_rows_.clear();
    std::size_t cut = bottom_ ? cut_ : 0;
    for (auto block = bottom_block(); block && out.size() < rows_;) {
        auto part = layout(*block);
        if (cut > 0) part.resize(part.size() - std::min(part.size(), cut));
        cut = 0;
        for (auto line = part.rbegin(); line != part.rend() && out.size() < rows_; ++line) {
            out.push_back(std::move(line->line));
            items_of_rows_.push_back(line->item);
        }
        if (block->first == 0) break;
        block = block_up(block->first - 1);
    }
    std::ranges::reverse(out);
    std::ranges::reverse(items_of_rows_);
    return out;
}

std::optional<std::uint64_t> LogView::item_at(std::size_t row) const {
    if (row >= items_of_rows_.size()) return std::nullopt;
    return items_of_rows_[row];
}

std::vector<const Item*> LogView::all_shown() const {
    std::vector<const Item*> items;
    for (auto number = shown_after(0); number; number = shown_after(*number + 1))
        items.push_back(transcript_.find(*number));
    return items;
}

std::size_t LogView::below() const {
    return bottom_ ? shown_count(*bottom_ + 1, transcript_.next() - 1) : 0;
}

void LogView::scroll(long rows) {
    if (!bottom_) {
        const auto newest = shown_before(transcript_.next());
        if (!newest || rows <= 0) return;
        bottom_ = newest;
        cut_ = 0;
    }
    if (rows > 0) {
        auto left = static_cast<std::size_t>(rows);
        for (auto block = block_up(*bottom_); block;) {
            const auto height = layout(*block).size();
            bottom_ = block->last;
            if (cut_ + left < height) {
                cut_ += left;
                break;
            }
            const auto above = block_up(block->first - 1);
            if (!above) {
                cut_ = height > 0 ? height - 1 : 0;
                break;
            }
            left -= height - std::min(height, cut_);
            cut_ = 0;
            bottom_ = above->last;
            block = above;
        }
        // Never further than to a screen that is full.
        const auto visible = lines(rows_, columns_).size();
        if (visible < rows_) to_top();
        return;
    }
    auto left = static_cast<std::size_t>(-rows);
    while (left > 0) {
        const auto step = std::min(left, cut_);
        cut_ -= step;
        left -= step;
        if (left == 0) break;
        const auto block = block_up(*bottom_);
        const auto next = block ? block_down(block->last + 1) : std::nullopt;
        if (!next) return follow();
        bottom_ = next->last;
        const auto height = layout(*next).size();
        cut_ = height > 0 ? height - 1 : 0;
        --left;
    }
    if (cut_ == 0 && below() == 0) follow();
}

void LogView::follow() {
    bottom_.reset();
    cut_ = 0;
}

void LogView::to_top() {
    cut_ = 0;
    std::size_t height = 0;
    auto at = shown_after(0);
    if (!at) return follow();
    for (auto block = block_down(*at); block; block = block_down(block->last + 1)) {
        const auto part = layout(*block).size();
        bottom_ = block->last;
        height += part;
        if (height < rows_) continue;
        cut_ = height - rows_;
        return;
    }
    follow();  // all of it fits
}

void LogView::go_to(std::uint64_t item) {
    const auto there = shown_before(item);
    if (!there) return;
    bottom_ = there;
    cut_ = 0;
    if (below() == 0) follow();
}

void LogView::select(std::optional<std::uint64_t> item) {
    selected_ = item;
    if (item) keep_selected_in_sight();
}

bool LogView::reveal(std::uint64_t item) {
    const auto* found = transcript_.find(item);
    if (found == nullptr || !shown(*found)) return false;
    if (block_of(item).count > 1) open_runs_.insert(found->run);
    select(item);
    return true;
}

bool LogView::select_up() {
    const auto block = selected_ ? block_up(block_of(*selected_).first - 1) : bottom_block();
    if (!block) return false;
    select(block->last);
    return true;
}

bool LogView::select_down() {
    if (!selected_) return false;
    const auto block = block_down(block_of(*selected_).last + 1);
    if (!block) return false;
    select(block->last);
    return true;
}

void LogView::keep_selected_in_sight() {
    (void)lines(rows_, columns_);
    const auto at = block_of(*selected_).last;
    if (std::ranges::find(items_of_rows_, at) != items_of_rows_.end()) return;
    if (!items_of_rows_.empty() && at < items_of_rows_.front()) {
        // To the top of the screen: what is below it follows.
        bottom_ = at;
        cut_ = 0;
        scroll(-static_cast<long>(rows_ > 1 ? rows_ - std::min(rows_, layout(block_of(at)).size()) : 0));
        return;
    }
    go_to(at);
}

bool LogView::toggle_run(std::uint64_t item) {
    const auto* found = transcript_.find(item);
    if (found == nullptr || found->run == 0) return false;
    if (!open_runs_.erase(found->run)) {
        if (block_of(item).count < run_worth_folding) return false;
        open_runs_.insert(found->run);
    }
    return true;
}

bool LogView::search(const std::string& needle, bool up) {
    needle_ = needle;
    auto at = selected_ ? (up ? shown_before(*selected_ - 1) : shown_after(*selected_ + 1))
                        : shown_before(bottom_.value_or(transcript_.next()));
    while (at) {
        const auto* item = transcript_.find(*at);
        if (item != nullptr && holds(*item, needle)) {
            select(at);
            return true;
        }
        if (up && *at == 0) break;
        at = up ? shown_before(*at - 1) : shown_after(*at + 1);
    }
    return false;
}

}  // namespace qvm::shell
