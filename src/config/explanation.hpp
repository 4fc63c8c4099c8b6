// SPDX-License-Identifier: GPL-3.0-or-later
// What `qvm explain` says of one thing, as data, as text and as JSON.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.hpp"

namespace qvm::config {

struct Explanation {
    /// "takes", "default", "becomes", "changes"; none is there without a text.
    struct Fact {
        std::string name, text;
    };
    /// A key, a member, a property, or only a word.
    struct Part {
        std::string name;
        std::string takes = {};
        std::string note = {};
    };
    struct Group {
        std::string title;
        std::vector<Part> parts;
    };

    std::string path;  ///< "disk.X.cache"
    std::string meaning;
    std::vector<Fact> facts;
    std::string example;  ///< lines of TOML
    std::vector<Group> groups;
    std::string qemu = {};  ///< the QEMU that this is of; empty: it is qvm's own

    /// Appends it, unless it is empty.
    void add(std::string name, std::string text);

    /// No line is wider than `columns` (at least 40), but those of an example.
    std::string to_text(std::size_t columns) const;
    Json to_json() const;
};

/// "How it is.", of "How it is. And more."
std::string first_sentence(std::string_view text);

}  // namespace qvm::config
