// SPDX-License-Identifier: GPL-3.0-or-later
// What is different between two JSON values, place by place.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

struct JsonDifference {
    std::string path;                  ///< ".return[node-name=disk0].ro"
    std::string old_value, new_value;  ///< their text; empty: there is none on this side

    bool operator==(const JsonDifference&) const = default;
};

/// In the order of the old value, then what only the new one has. The order of members does not count.
/// Elements of arrays are compared by what names them (node-name, id, qdev, device, name, ...) where all on
/// both sides have it and no two have the same; else by their places. Text that is no JSON is compared as a
/// whole.
std::vector<JsonDifference> compare_json(std::string_view old_json, std::string_view new_json);

/// For replies: without the ids of commands and the times of events, which are never the same.
std::vector<JsonDifference> compare_messages(std::string_view old_message, std::string_view new_message);

/// Lines of "- path: old" and "+ path: new"; "no differences" when there are none. Of each value at most
/// about `limit` bytes.
std::vector<Line> diff_lines(const std::vector<JsonDifference>& differences, std::size_t limit = 1000);
std::vector<Line> diff_json(std::string_view old_json, std::string_view new_json, std::size_t limit = 1000);

}  // namespace qvm::shell
