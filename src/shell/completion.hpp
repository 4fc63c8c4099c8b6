// SPDX-License-Identifier: GPL-3.0-or-later
// What could stand where the cursor is. Pure, and it never waits: what is not known yet is asked for through
// the vocabulary, and whoever shows the candidates asks again when it has come.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shell/grammar.hpp"
#include "shell/vocabulary.hpp"

namespace qvm::shell {

struct Candidate {
    std::string text;   ///< as it is inserted, in quotes where it needs them
    std::string note;   ///< its type, or a line about it; "[unstable]", "[deprecated]"
    bool more = false;  ///< it goes on behind it: no space is added

    bool operator==(const Candidate&) const = default;
};

struct Completion {
    Range replaced;  ///< of the text, up to the cursor
    std::vector<Candidate> candidates;
    bool incomplete = false;  ///< there may be more: something was asked for, and will come
};

/// Paths that begin with `beginning`; directories with a slash at their end.
using ListFiles = std::function<std::vector<std::string>(const std::string& beginning)>;

/// `cursor`: a byte of the text, or its end. Candidates begin with what stands before the cursor; when none
/// does, they contain it.
Completion complete(std::string_view text, std::size_t cursor, Vocabulary& vocabulary,
                    const ListFiles& files = {});

/// What the newest line of the history that begins with `text` has behind it. Nothing for an empty text.
std::string suggestion(std::string_view text, std::span<const std::string> oldest_first);

}  // namespace qvm::shell
