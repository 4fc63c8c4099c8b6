// SPDX-License-Identifier: GPL-3.0-or-later
// The input line: GNU readline without its terminal. It keeps the line, the kill ring, undo, the history with
// its searches, vi mode and ~/.inputrc; what is on the screen is not its business. Source: readline's manual,
// "Alternate Interface", and what its sources do where that is silent (see editor.cpp).
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/key.hpp"

namespace qvm::shell {

struct EditorState {
    std::string prompt;  ///< what readline says in place of the shell's prompt ("(reverse-i-search)`x': "),
                         ///< or empty
    std::string text;
    std::size_t point = 0;  ///< bytes
    std::string mode;       ///< "", or "insert" and "command" of vi mode
    bool waiting = false;   ///< readline is in the middle of something (a search, a quoted insert, an
                            ///< argument): every key is its
};

/// readline is one for the process: there may be one Editor at a time.
class Editor {
  public:
    struct Options {
        std::string history_file;  ///< empty: none is kept
        std::size_t history_length = 5000;
        /// An accepted line. It may call anything but feed().
        std::function<void(const std::string& line)> entered;
        /// Ctrl-D on an empty line, or what ~/.inputrc has in its place.
        std::function<void()> ended;
        /// Tab, or what ~/.inputrc has in its place; the argument is -1 to go backwards.
        std::function<void(int direction)> complete;
    };
    explicit Editor(Options options);
    Editor(const Editor&) = delete;
    Editor& operator=(const Editor&) = delete;
    Editor(Editor&&) = delete;
    Editor& operator=(Editor&&) = delete;
    ~Editor();

    /// A key, or a paste, which is inserted as it is and undone at once.
    void feed(const Key& key);
    EditorState state() const;

    /// Undone in one step.
    void replace(std::size_t begin, std::size_t end, std::string_view text);
    void set_text(std::string_view text);
    /// Gives up a search, and what it has found; else gives up the line.
    void interrupt();

    /// Adds to the history, and to its file unless the line is for this session only; a line that repeats the
    /// last one is left out. Complaints about the file come out of complaint(), once.
    enum class Remember { File, Session };
    void remember(const std::string& line, Remember where = Remember::File);
    std::vector<std::string> history() const;
    std::string complaint();
    /// What readline complained about in ~/.inputrc.
    std::vector<std::string> inputrc_complaints() const { return inputrc_complaints_; }

  private:
    void read_history_file();
    void deliver(std::string_view bytes);
    bool has_function(std::string_view bytes) const;

    Options options_;
    std::string complaint_;
    std::vector<std::string> inputrc_complaints_;
};

}  // namespace qvm::shell
