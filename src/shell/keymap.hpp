// SPDX-License-Identifier: GPL-3.0-or-later
// Which key does what, by the mode the shell is in; every one can be bound to something else.
#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qvm::shell {

enum class Mode {
    Command,  ///< the input line has the keys
    History,  ///< an item of the log is selected
    Details,  ///< one item is looked at
    Pager,    ///< something to read: help, a graph, a table
};

/// "command", "history", "details", "pager".
const char* name_of(Mode mode);

/// Something a key can do.
struct Action {
    const char* name;
    Mode mode;
    const char* keys;  ///< by default, separated by blanks
    const char* summary;
};
std::span<const Action> actions();

class Keymap {
  public:
    /// With the keys of actions().
    Keymap();

    /// The action of a key, or "".
    std::string_view action(Mode mode, std::string_view key) const;
    /// What is wrong, or "". An empty action takes the key away.
    std::string bind(Mode mode, const std::string& key, const std::string& action);
    /// The keys of an action, as they are bound now: those of actions() first, in their order.
    std::vector<std::string> keys_of(Mode mode, std::string_view action) const;

  private:
    std::map<Mode, std::map<std::string, std::string, std::less<>>> bound_;
};

/// As a person reads it: "c-a-up" is "Ctrl+Alt+Up".
std::string spoken(std::string_view key);

}  // namespace qvm::shell
