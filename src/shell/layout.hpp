// SPDX-License-Identifier: GPL-3.0-or-later
// Text put into lines: paragraphs of words, tables, trees. Whatever comes in is made printable here, and
// nothing that goes out is wider than it may be.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

/// Text of any origin as a span: controls escaped, each tab one blank.
Span span(std::string_view text, Role role = Role::Plain);

/// Appends a paragraph, broken between words (a word that is too long, inside it): the first line begins at
/// column `first`, the others at `rest`.
void flow(const Line& paragraph, std::size_t first, std::size_t rest, std::size_t columns,
          std::vector<Line>& lines);

struct Column {
    std::string title;
    /// 0 stays whatever happens; of the others the highest goes first when there is no room.
    unsigned importance = 0;
    bool right = false;  ///< numbers
    bool tail = false;   ///< when it must be cut, its end is what matters: a path's
};

/// Rows under their titles, each column as wide as its widest cell. Where that is too wide, columns of
/// importance 3 and more are left out, then long ones cut, then others left out; a last line says which.
/// Columns without any cell are not shown at all. A row may have fewer cells.
std::vector<Line> table(const std::vector<Column>& header, const std::vector<Line>& rows,
                        std::size_t columns);

/// The strokes before an entry of a tree, and before what hangs below it.
struct TreeStrokes {
    std::string_view entry, last_entry, line, blank;
};
const TreeStrokes& tree_strokes();  ///< ASCII where the locale has no others

/// "1.5G", "20G", "512", "10.4K": at most one digit after the point, and so not always exact.
std::string short_size(double bytes);

}  // namespace qvm::shell
