// SPDX-License-Identifier: GPL-3.0-or-later
// The one door between the shell and a person or a script: frames go out, keys come in.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "shell/frame.hpp"
#include "shell/key.hpp"

namespace qvm::shell {

struct UiHandler {
    std::function<void(const Key&)> key;
    std::function<void(std::size_t rows, std::size_t columns)> resized;
    /// Draws now, whether anything has changed or not.
    std::function<void()> flush;
    /// The user's side has gone (end of input, SIGHUP): the shell ends.
    std::function<void()> gone;
};

class Ui {
  public:
    Ui() = default;
    Ui(const Ui&) = delete;
    Ui& operator=(const Ui&) = delete;
    Ui(Ui&&) = delete;
    Ui& operator=(Ui&&) = delete;
    virtual ~Ui() = default;  ///< gives the terminal back as it was

    /// Begins to deliver; `resized` is called at once with the present size.
    virtual void start(UiHandler handler) = 0;
    /// Shows the frame. One that comes while the terminal still takes the last replaces what waits.
    virtual void draw(const Frame& frame) = 0;
    /// Forgets what the terminal shows: the next frame is drawn whole.
    virtual void redraw() = 0;
    /// Puts text on the user's clipboard (OSC 52), where the interface can.
    virtual void copy(std::string_view text) = 0;
    /// Takes the wheel and clicks, or leaves them to the terminal, which selects text with them. Returns what
    /// holds now.
    virtual bool take_mouse(bool take) = 0;
    /// Gives the terminal to the shell that started us, until it is brought back to the foreground.
    virtual void suspend() = 0;
};

}  // namespace qvm::shell
