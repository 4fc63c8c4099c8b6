// SPDX-License-Identifier: GPL-3.0-or-later
// One item looked at: what was sent and what came, as a table, as trees that fold, or as the bytes were.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"
#include "shell/json_tree.hpp"
#include "shell/page.hpp"
#include "shell/transcript.hpp"

namespace qvm::shell {

class Details {
  public:
    explicit Details(const Item& item);

    std::uint64_t item() const { return number_; }
    const std::string& title() const { return title_; }
    /// Its reply has come meanwhile.
    void update(const Item& item);

    std::vector<Line> lines(std::size_t rows, std::size_t columns);
    void move(long rows);  ///< down when positive
    void page(bool down);
    void to_top();
    void to_bottom();
    /// Of the trees.
    void select_row_on_screen(std::size_t row);
    void toggle();
    void fold();
    void unfold();
    void fold_all();
    void unfold_all();
    /// The reply as a table where there is one, the trees, the bytes as they travelled; round and round.
    void next_form();
    bool search(const std::string& needle, bool backwards);

    /// What is selected: a value laid out, or the whole message.
    std::string selected_text() const;
    std::string selected_path() const;

  private:
    struct Part {
        Line header;
        std::string text;
        std::optional<JsonTree> tree;
    };
    /// A line: of a part its header, or a row of its tree, or raw text.
    struct Place {
        const Part* part = nullptr;
        std::optional<std::size_t> row;  ///< of the tree
    };
    void make_parts(const Item& item);
    std::size_t rows_of(const Part& part) const;
    std::size_t row_count() const;
    Place at(std::size_t row) const;
    Part* selected_part(std::size_t& row);
    void make_table();
    /// Until it returns false.
    void each_raw_line(const std::function<bool(const Line&)>& visit) const;
    std::vector<Line> raw_lines();
    bool search_raw(bool again, bool backwards);
    bool holds(const JsonTree& tree, std::size_t row) const;
    bool search_trees(bool again, bool backwards);

    std::uint64_t number_;
    std::string title_;
    std::vector<Part> parts_;
    std::size_t cursor_ = 0;  ///< in the trees
    std::size_t first_ = 0;   ///< line on the screen, of the trees or of the bytes
    std::size_t rows_ = 1;
    std::size_t columns_ = 80;
    enum class Form { Table, Tree, Raw };
    Form form_ = Form::Tree;
    std::string command_;
    std::optional<Page> table_;  ///< the reply, where there is a table for it
    std::string needle_;
};

}  // namespace qvm::shell
