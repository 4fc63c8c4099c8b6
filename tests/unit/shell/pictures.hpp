// SPDX-License-Identifier: GPL-3.0-or-later
// For tests of pictures: real replies of two QEMUs, shortened (tests/golden/shell/replies-*.json), and what
// is made of them, in files beside. QVM_TEST_ACCEPT=1 rewrites what differs, and fails so that nobody
// overlooks it.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "shell/frame.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

namespace qvm::test {

constexpr const char* saved_versions[] = {"7.2", "11.1"};

/// The values of "return" by command.
inline Json saved_replies(const std::string& version) {
    std::ifstream file(QVM_SOURCE_DIR "/tests/golden/shell/replies-" + version + ".json");
    return Json::parse(file);
}

inline std::string text_of(const std::vector<shell::Line>& lines) {
    std::string text;
    for (const auto& line : lines) {
        for (const auto& piece : line) text += piece.text;
        text += '\n';
    }
    return text;
}

inline std::size_t widest(const std::vector<shell::Line>& lines) {
    std::size_t columns = 0;
    for (const auto& line : lines) columns = std::max(columns, shell::columns_of(line));
    return columns;
}

inline void check_picture(const std::string& name, const std::string& text) {
    check_golden(std::filesystem::path(QVM_SOURCE_DIR "/tests/golden/shell") / name, text);
}

/// Every way of replacing one value inside of `value` (to so deep) by one of another type, or taking it away.
inline void for_each_damage(Json& root, Json& value, int depth, const auto& look) {
    for (const auto& wrong :
         {Json(), Json("\x1b[31mtext"), Json(-1), Json::array({1}), Json::object({{"x", 1}})}) {
        const auto kept = std::exchange(value, wrong);
        look(root);
        value = kept;
    }
    if (depth == 0 || !value.is_structured()) return;
    for (std::size_t i = 0; i < value.size(); ++i) {
        auto at = value.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(i));
        for_each_damage(root, *at, depth - 1, look);
    }
}

}  // namespace qvm::test
