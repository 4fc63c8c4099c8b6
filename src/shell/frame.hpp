// SPDX-License-Identifier: GPL-3.0-or-later
// What is on the screen, as plain data: rendering makes it, a user interface draws it.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace qvm::shell {

/// What a piece of text is. A user interface gives each role a look; none is told by its colour alone.
enum class Role {
    Plain,
    Dim,    ///< times, what is folded away, hints
    Title,  ///< the bars above and below
    Prompt,
    Ok,
    Error,
    Warning,  ///< lost, deprecated, what a check says
    Pending,
    Event,
    Notice,  ///< the shell's own words
    Name,    ///< of a command or event
    Key,     ///< of a JSON member, or a key to press
    String,
    Number,
    Literal,  ///< true, false, null
    Suggestion,
    Match,  ///< what a search found
};

/// The role's name in lower case, as `--ui json` tells it.
const char* name_of(Role role);

/// Text of one role: printable (escape_controls), without tabs and line ends.
struct Span {
    std::string text;
    Role role = Role::Plain;
    bool selected = false;    ///< the line the cursor is on
    bool underlined = false;  ///< a check has something to say of it

    bool operator==(const Span&) const = default;
};
using Line = std::vector<Span>;

/// The columns a terminal gives to printable text, by the locale's rules (wcwidth); two for wide characters.
std::size_t columns_of(std::string_view text);
std::size_t columns_of(const Line& line);
/// The longest beginning that fits into so many columns, never half a character.
std::string_view cut_to_columns(std::string_view text, std::size_t columns);
/// Cuts or leaves the line; a cut one ends in "…" (">" where the locale has no such character).
Line fit(Line line, std::size_t columns);
/// The line in as many lines as it needs.
std::vector<Line> wrap(const Line& line, std::size_t columns);

struct Frame {
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::vector<Line> lines;  ///< exactly `rows`, none wider than `columns`
    std::size_t cursor_row = 0;
    std::size_t cursor_column = 0;
    bool bell = false;

    bool operator==(const Frame&) const = default;
};

}  // namespace qvm::shell
