// SPDX-License-Identifier: GPL-3.0-or-later
// The foldable tree of the details pane. Opening it reads the text once, for where its brackets are; a row is
// made when its parent is unfolded, and laid out when it is shown.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"
#include "shell/json_text.hpp"

namespace qvm::shell {

/// A row is an object or array ("+ " when folded, "- " when not), a string that can be unfolded likewise, or
/// a value. A string unfolds to its text, a row for each of its lines, long ones in pieces.
class JsonTree {
  public:
    /// Any text, broken JSON as well; of more than 4 GB the beginning. `columns` is where lines of long
    /// strings are cut into pieces. Two levels are unfolded.
    explicit JsonTree(std::string text, std::size_t columns = 80);

    std::size_t rows() const { return rows_.size(); }
    /// No wider than `columns`.
    Line row(std::size_t index, std::size_t columns) const;

    bool can_unfold(std::size_t row) const;
    bool is_folded(std::size_t row) const;
    /// These do nothing to a row that has nothing to fold or unfold. What was unfolded inside is so again.
    void fold(std::size_t row);
    void unfold(std::size_t row);
    void toggle(std::size_t row);
    void fold_all();
    /// Unfolds so many levels of objects and arrays, and folds what is deeper. Stops at a million rows.
    void unfold_to(std::size_t depth);
    /// The row of what this one is in; the row itself on the top level.
    std::size_t parent_of(std::size_t row) const;

    /// What the row stands for, laid out, with line ends; of an unfolded string's rows their piece of the
    /// text.
    std::string text_of(std::size_t row) const;
    /// ".return[0].node-name"; keys that need it are in quotes. "." for the top.
    std::string path_of(std::size_t row) const;

    /// The next row (or the one before) with the text in its key or value, whatever the case of ASCII
    /// letters. What hides it is unfolded. Nothing if there is none from here to the end (to the beginning).
    std::optional<std::size_t> find(std::string_view needle, std::size_t from, bool backwards);

    /// Cuts unfolded strings anew. The numbers of rows change.
    void set_columns(std::size_t columns);

  private:
    /// An object or array: where it is, how many children, and which one comes after all that is in it.
    struct Bracket {
        std::uint32_t begin = 0, end = 0, children = 0, next = 0;
    };
    struct Node {
        std::uint32_t key_begin = 0, key_end = 0;  ///< of the key's token; nothing in an array
        std::uint32_t begin = 0, end = 0;          ///< of the value
        std::uint32_t parent = 0;
        std::uint32_t bracket = none;  ///< of an object or array
        std::uint32_t first_child = none;
        std::uint32_t place = 0;  ///< among the parent's children
        std::uint16_t depth = 0;
        bool unfolded = false;
    };
    struct Row {
        std::uint32_t node = 0;
        std::uint32_t piece = none;  ///< begins here in the text; none: the node's own row
    };
    static constexpr std::uint32_t none = 0xFFFFFFFF;

    std::string_view text() const { return text_; }
    void find_brackets();
    void make_children(std::uint32_t node);
    void add_child(std::uint32_t parent, const JsonToken& key, const JsonToken& value, std::uint32_t bracket);
    std::uint32_t children_of(std::uint32_t node) const;
    bool is_string(const Node& node) const;
    bool can_unfold(const Node& node) const;
    void append_rows(std::vector<Row>& rows, std::uint32_t node) const;
    void append_pieces(std::vector<Row>& rows, std::uint32_t node) const;
    void rebuild();
    std::size_t rows_below(std::size_t row) const;
    void append_key(Line& line, const Node& node) const;
    void append_value(Line& line, const Node& node, std::size_t columns) const;
    std::uint32_t node_at(std::uint32_t offset);
    std::size_t show(std::uint32_t node, std::uint32_t offset);
    std::optional<std::size_t> find_from(const std::vector<std::string>& needles, std::size_t offset,
                                         bool backwards) const;

    std::string text_;
    std::size_t columns_;
    std::vector<Bracket> brackets_;  ///< in the order in which they open; the first is all of the text
    std::vector<Node> nodes_;        ///< the first is all of the text, and has no row; children are together
    std::vector<Row> rows_;
};

}  // namespace qvm::shell
