// SPDX-License-Identifier: GPL-3.0-or-later
// The filter language: which items of the transcript to show.
//
//   WORD          the name of a command or event, or a notice's text: part of it, or all of it when WORD has
//                 "*" or "?"
//   ~e [WORD]     events            ~c [WORD]   commands            ~n [WORD]  notices
//   ~err          failed            ~lost       lost                ~pending   not answered yet
//   ~b TEXT       in what was sent or received
//   ~d PATH=VALUE a member of a command's arguments, a reply's return or error, or an event's data is VALUE
//                 (all of it, with "*" and "?"); PATH as in "device", "return[0].node-name",
//                 "actions[].type"; PATH alone: there is such a member
//   ~client WORD  the client that sent it
//   ~t >100ms     how long a command took; also <, in us, ms, s, m, h
//   !X            not X
//   X & Y, X Y    both
//   X | Y         one of them; & binds more tightly
//   ( )           as usual
//
// The case of ASCII letters makes no difference. A word with blanks or one of ()|&!~ at its beginning is put
// in quotes of either kind; a backslash in double quotes takes the next character as it is.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "shell/transcript.hpp"

namespace qvm::shell {

struct FilterError {
    std::size_t column = 1;  ///< from 1, in bytes
    std::string message;     ///< what is wrong, and what was expected

    bool operator==(const FilterError&) const = default;
};

class Filter {
  public:
    struct Node;

    /// Matches everything.
    Filter() = default;
    static std::variant<Filter, FilterError> parse(std::string_view text);

    bool matches(const Item& item) const;
    /// As it was written; empty for the one that matches everything.
    const std::string& text() const { return text_; }

  private:
    std::string text_;
    std::shared_ptr<const Node> root_;
};

}  // namespace qvm::shell
