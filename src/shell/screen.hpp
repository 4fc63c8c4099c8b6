// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of the screen put together. The input line is always in sight, however small the terminal is.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

struct InputLine {
    std::string prompt = "> ";
    std::string text;       ///< as it is: line ends and controls are made visible
    std::size_t point = 0;  ///< bytes
    struct Mark {
        std::size_t begin = 0, end = 0;
    };
    std::vector<Mark> marks;  ///< what a check has something to say of
    std::string suggestion;   ///< behind the text, in grey
};

struct PopupRow {
    std::string text;
    std::string note;
};
struct Popup {
    std::vector<PopupRow> rows;
    std::size_t chosen = 0;  ///< rows.size(): none
};

struct Screen {
    std::size_t rows = 24, columns = 80;
    Line title;
    std::vector<Line> body;
    bool body_at_bottom = true;  ///< a log grows upwards from the input; a page begins at the top
    Line hint;
    InputLine input;
    bool editing =
        true;  ///< the cursor is in the input; else there is no input line, and the hint stands there
    Popup popup;
    Line status;
    bool bell = false;
};

/// How many lines the body has on this screen.
std::size_t body_rows(const Screen& screen);

Frame render(const Screen& screen);

}  // namespace qvm::shell
