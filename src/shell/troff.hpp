// SPDX-License-Identifier: GPL-3.0-or-later
// A piece of a manual page's source as blocks of text. What docutils writes is known (.SS, .TP, .IP, .INDENT,
// .nf, the font and character escapes); of anything else the text is kept.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

struct TroffBlock {
    enum class Kind { Heading, Term, Text, Code };
    Kind kind = Kind::Text;
    std::size_t indent = 0;  ///< columns
    std::string_view mark;   ///< what stands before a list's entry: "*", "1."; raw troff
    Line text;               ///< bold is Role::Key, or Literal behind a term's colon; italic is Literal
};

std::vector<TroffBlock> read_troff(std::string_view source);

/// A line of running text without its escapes.
Line troff_text(std::string_view line, Role plain = Role::Plain);

}  // namespace qvm::shell
