// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/keymap.hpp"

#include <sstream>

#include "shell/key.hpp"
#include "support/catch.hpp"

using namespace qvm::shell;

TEST_CASE("Every action has keys that there are, and no key has two actions in a mode") {
    std::map<std::pair<Mode, std::string>, std::string> seen;
    for (const auto& action : actions()) {
        std::istringstream words(action.keys);
        for (std::string key; words >> key;) {
            CAPTURE(action.name, key);
            CHECK((key_named(key) || key.starts_with("wheel-")));
            CHECK(seen.emplace(std::pair(action.mode, key), action.name).second);
            CHECK(Keymap().action(action.mode, key) == action.name);
        }
    }
}

TEST_CASE("The keys of an action come in the order of the table, and then what was bound") {
    Keymap keymap;
    CHECK(keymap.keys_of(Mode::History, "up") == std::vector<std::string>{"up", "k", "a-up", "wheel-up"});
    CHECK(keymap.keys_of(Mode::Command, "select").front() == "a-up");
    CHECK(keymap.bind(Mode::History, "a", "up").empty());
    CHECK(keymap.bind(Mode::History, "up", "").empty());
    CHECK(keymap.keys_of(Mode::History, "up") == std::vector<std::string>{"k", "a-up", "wheel-up", "a"});
    CHECK(keymap.action(Mode::History, "up").empty());
}

TEST_CASE("What cannot be bound is said") {
    Keymap keymap;
    CHECK(keymap.bind(Mode::Command, "f99x", "view").find("no key is called") != std::string::npos);
    const auto why = keymap.bind(Mode::Command, "f5", "veiw");
    CHECK(why.find("no action 'veiw' in command mode") != std::string::npos);
    CHECK(why.find("view") != std::string::npos);
    CHECK(keymap.bind(Mode::Command, "f5", "/view pretty").empty());
    CHECK(keymap.action(Mode::Command, "f5") == "/view pretty");
}

TEST_CASE("A key as a person reads it") {
    CHECK(spoken("c-a-up") == "Ctrl+Alt+Up");
    CHECK(spoken("pgdn") == "PgDn");
    CHECK(spoken("a-pgup") == "Alt+PgUp");
    CHECK(spoken("k") == "k");
    CHECK(spoken("G") == "G");
    CHECK(spoken("c-x") == "Ctrl+X");
    CHECK(spoken("-") == "-");
}
