// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes of a terminal, cut into keys. Whole tokens only: an editor that got half an escape sequence would
// insert the rest.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qvm::shell {

struct Key {
    enum class Kind { Press, Paste, Mouse };
    Kind kind = Kind::Press;
    std::string bytes;  ///< as they came, for the editor; of a paste, its text; of the mouse, nothing
    std::string name;   ///< "a", "é", "space", "enter", "c-r", "a-up", "pgup", "f1", "wheel-up", "click",
                        ///< "paste"; empty for a sequence that no key is known to send
    std::size_t row = 0, column = 0;  ///< of the mouse, from 0

    bool operator==(const Key&) const = default;
};

/// The key of a name as a configuration file or `--ui json` writes it: "a-up", "c-v", "f1", "space", "x".
/// Modifiers stand in the order c- a- s-. Nothing if there is no such key.
std::optional<Key> key_named(std::string_view name);

class KeyReader {
  public:
    /// `erase` is the byte the terminal sends for Backspace (termios VERASE): the other of ^H and DEL is then
    /// a key of its own.
    explicit KeyReader(char erase = '\x7f') : erase_(erase) {}

    void feed(std::string_view bytes) { buffer_ += bytes; }
    /// The next whole key. An escape character with nothing behind it waits, as it may be the beginning of
    /// one; with `flush` (nothing came for 25 ms) it is the key "esc". A paste whose end never comes is given
    /// at 4 MiB.
    std::optional<Key> next(bool flush = false);
    /// A flush would give a key.
    bool waiting() const { return !buffer_.empty() && !in_paste_; }

  private:
    std::optional<Key> take_paste();
    std::optional<Key> take_escape(bool flush);
    std::optional<Key> take_csi(std::size_t begin, bool alt);
    std::optional<Key> take_character(std::size_t begin, bool alt, bool flush);
    Key cut(std::size_t length, std::string name);

    char erase_;
    std::string buffer_;
    bool in_paste_ = false;
};

}  // namespace qvm::shell
