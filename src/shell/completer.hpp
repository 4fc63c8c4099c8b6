// SPDX-License-Identifier: GPL-3.0-or-later
// Tab in the input line: what it inserts, the popup, and what happens when names come that were asked for.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "shell/completion.hpp"
#include "shell/editor.hpp"
#include "shell/screen.hpp"
#include "shell/vocabulary.hpp"

namespace qvm::shell {

class Completer {
  public:
    /// Tab (1), or backwards (-1). The first inserts what is certain, the next ones choose.
    void complete(Editor& editor, Vocabulary& vocabulary, int direction);
    /// Names have come: an open popup may have more.
    void learned(Editor& editor, Vocabulary& vocabulary);
    /// Another key was pressed.
    void close();
    bool is_open() const { return open_.has_value(); }
    Popup popup() const;

  private:
    struct Open {
        Completion completion;
        std::optional<std::size_t> chosen;
        std::size_t begin = 0;  ///< of what is in the line for it
        std::string text;       ///< the whole line after what we did to it
    };
    void begin(Editor& editor, Vocabulary& vocabulary);
    void put(Editor& editor, const std::string& word);

    std::optional<Open> open_;
};

/// The command's arguments in a line, required ones first: "node=str name=str [granularity=int]". Nothing
/// while the schema is not known.
Line synopsis(std::string_view command, Vocabulary& vocabulary);

}  // namespace qvm::shell
