// SPDX-License-Identifier: GPL-3.0-or-later
// Places in JSON by name: ".return[0].node-name", the first dot may be missing. "[]" is every element. A
// number between dots is an index of an array, too.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qvm::shell {

struct JsonPath {
    struct Step {
        std::string name;  ///< of a member; empty for an index
        bool is_index = false;
        std::optional<std::size_t> index;  ///< nothing: every element

        bool operator==(const Step&) const = default;
    };
    std::vector<Step> steps;

    /// Nothing if it is no path. "." is the value itself.
    static std::optional<JsonPath> parse(std::string_view text);
};

/// The texts of the values there; more than one only with "[]". Reads the text in place.
std::vector<std::string_view> json_values_at(std::string_view json, const JsonPath& path);

}  // namespace qvm::shell
