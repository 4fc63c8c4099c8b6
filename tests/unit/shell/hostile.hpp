// SPDX-License-Identifier: GPL-3.0-or-later
// Text that would do something to a terminal if it reached it, and a check that nothing of it does.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "shell/frame.hpp"

namespace qvm::test {

inline const std::vector<std::string>& hostile_texts() {
    static const std::vector<std::string> texts{
        "\x1b[2J\x1b[H",             // clears the screen
        "\x1b]0;title\x07",          // sets the title
        "\x1b]52;c;ZXZpbA==\x1b\\",  // sets the clipboard
        "\x1bP1$r0m\x1b\\",          // DCS
        "\xc2\x9b"
        "31m",  // CSI as C1, in UTF-8
        "\x9b"
        "31m",  // and as a byte
        "\xc2\x9d"
        "0;t\xc2\x9c",           // OSC as C1
        "\b\b\b\x7f\r\n\t\v\f",  // moves
        "\x0e\x0f\x05",          // other character sets; asks for an answer
        "\xe2\x80\xae"
        "evil\xe2\x80\xac",                              // right to left override
        "\xe2\x81\xa6\xe2\x81\xa9\xd8\x9c",              // isolates, Arabic letter mark
        "\xe2\x80\xa8\xe2\x80\xa9",                      // line and paragraph separator
        "\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80",  // no UTF-8
        "\xe2\x80",                                      // cut off
        "\\u001b[2J\\u009b31m\\u202e\\u0007",            // the same as JSON escapes
        "\\u000a\\n\\ud83d\\u0000",
        std::string("a\0b", 3),
    };
    return texts;
}

/// What of the text a terminal would act on; "" if nothing.
inline std::string danger_in(std::string_view text) {
    if (escape_controls(text) != text) return "not escaped: " + escape_controls(text);
    if (text.find('\t') != std::string_view::npos) return "a tab";
    return {};
}

inline std::string danger_in(const std::vector<shell::Line>& lines) {
    for (const auto& line : lines)
        for (const auto& span : line)
            if (auto danger = danger_in(span.text); !danger.empty()) return danger;
    return {};
}

inline std::string text_of(const shell::Line& line) {
    std::string text;
    for (const auto& span : line) text += span.text;
    return text;
}

inline std::vector<std::string> texts_of(const std::vector<shell::Line>& lines) {
    std::vector<std::string> texts;
    for (const auto& line : lines) texts.push_back(text_of(line));
    return texts;
}

}  // namespace qvm::test
