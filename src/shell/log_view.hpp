// SPDX-License-Identifier: GPL-3.0-or-later
// The log on the screen: which part of a transcript is shown, and how. Only what is visible is ever laid out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shell/filter.hpp"
#include "shell/formatter.hpp"
#include "shell/frame.hpp"
#include "shell/transcript.hpp"

namespace qvm::shell {

class LogView {
  public:
    /// The transcript (borrowed) outlives the view, which is told of everything that happens to it.
    explicit LogView(const Transcript& transcript) : transcript_(transcript) {}

    /// After Transcript::append(), or finish().
    void changed(const Item& item);

    ViewMode mode() const { return mode_; }
    void set_mode(ViewMode mode);
    Clock clock() const { return clock_; }
    void set_clock(Clock clock) { clock_ = clock; }
    const std::string& filter_text() const { return filter_text_; }
    void set_filter(std::optional<Filter> filter, std::string text);
    /// Shows nothing of what is older than now.
    void hide_past();

    /// At most `rows` lines, the last of them the newest (or where the view was scrolled to).
    std::vector<Line> lines(std::size_t rows, std::size_t columns);
    /// The item shown in that line of the last lines(), counted from its top.
    std::optional<std::uint64_t> item_at(std::size_t row) const;

    /// What passes the filter, the oldest first.
    std::vector<const Item*> all_shown() const;

    bool following() const { return !bottom_; }
    /// Items that have come below what is shown.
    std::size_t below() const;
    /// Up when positive. Sizes are those of the last lines().
    void scroll(long rows);
    void follow();
    void go_to(std::uint64_t item);
    void to_top();

    std::optional<std::uint64_t> selected() const { return selected_; }
    void select(std::optional<std::uint64_t> item);
    /// Selects it, out of a folded run as well; false if it is not shown.
    bool reveal(std::uint64_t item);
    /// The item above or below the selected one; at first, the newest one that is shown. False at an end.
    bool select_up();
    bool select_down();
    /// Opens or folds the run of alike events the item belongs to; false if it belongs to none.
    bool toggle_run(std::uint64_t item);

    /// Selects the next item (older first when `up`) whose text holds this; case matters not.
    bool search(const std::string& needle, bool up);
    void mark_matches(std::string needle) { needle_ = std::move(needle); }

  private:
    /// Items shown as one: one item, or a folded run.
    struct Block {
        std::uint64_t first = 0, last = 0;
        std::size_t count = 1;
    };
    bool shown(const Item& item) const;
    std::optional<std::uint64_t> shown_before(std::uint64_t number) const;  ///< or at it
    std::optional<std::uint64_t> shown_after(std::uint64_t number) const;   ///< or at it
    std::size_t shown_count(std::uint64_t first, std::uint64_t last) const;
    std::optional<Block> block_up(std::uint64_t number) const;  ///< the last one that begins at or before it
    std::optional<Block> block_down(std::uint64_t number) const;  ///< the first one that ends at or after it
    Block block_of(std::uint64_t number) const;
    /// A line of the log, and the item it is of.
    struct Row {
        Line line;
        std::uint64_t item = 0;
    };
    std::vector<Row> layout(const Block& block) const;
    void append_rows(std::vector<Row>& rows, const Item& item, const Block& block, Part part) const;
    std::string names_of_run(const Item& last) const;
    void note_answer(const Item& item);
    std::vector<Line> visible_lines();
    std::optional<Block> bottom_block() const;
    void keep_selected_in_sight();

    const Transcript& transcript_;
    ViewMode mode_ = ViewMode::Summary;
    Clock clock_ = Clock::Minutes;
    std::optional<Filter> filter_;
    std::string filter_text_;
    std::deque<std::uint64_t> matching_;  ///< with a filter: the items that pass it
    std::uint64_t hidden_before_ = 0;
    std::set<std::uint64_t> open_runs_;
    /// In a view that shows messages in the order in which they travelled: the commands whose replies came
    /// when this was the newest item.
    std::map<std::uint64_t, std::vector<std::uint64_t>> answers_;

    std::optional<std::uint64_t> bottom_;  ///< the last item in sight; none: the newest
    std::size_t cut_ = 0;                  ///< of its lines, so many are below the screen
    std::optional<std::uint64_t> selected_;
    std::string needle_;

    std::size_t rows_ = 24, columns_ = 80;
    std::vector<std::uint64_t> items_of_rows_;
};

}  // namespace qvm::shell
