// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/keymap.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/key.hpp"

namespace qvm::shell {
namespace {

constexpr std::array table = {
    Action{"accept", Mode::Command, "enter", "run the line; what a check warns of, the second time"},
    Action{"accept-oob", Mode::Command, "a-enter", "run the line out of band"},
    Action{"interrupt", Mode::Command, "c-c", "give up the line"},
    Action{"escape", Mode::Command, "esc", "close the popup"},
    Action{"suggestion", Mode::Command, "right end c-e", "take the grey suggestion at the end of the line"},
    Action{"select", Mode::Command, "a-up a-down", "select an item of the log"},
    Action{"scroll-up", Mode::Command, "pgup a-p wheel-up", "scroll the log up"},
    Action{"scroll-down", Mode::Command, "pgdn a-n wheel-down", "scroll the log down"},
    Action{"scroll-top", Mode::Command, "a-home", "to the oldest item"},
    Action{"scroll-bottom", Mode::Command, "a-end", "to the newest item"},
    Action{"view", Mode::Command, "c-v", "the next of the four views"},
    Action{"save", Mode::Command, "c-s", "save the transcript to a file"},
    Action{"redraw", Mode::Command, "c-l", "draw the screen anew"},
    Action{"suspend", Mode::Command, "c-z", "back to the shell that started this one, for a while"},
    Action{"help", Mode::Command, "f1", "what is known of the command in the line, or help"},
    Action{"keys", Mode::Command, "f2", "all keys"},
    Action{"search", Mode::Command, "f3", "search the log"},
    Action{"mouse", Mode::Command, "f4", "wheel and clicks are the shell's, or the terminal's again"},
    Action{"next-window", Mode::Command, "c-n", "the next VM"},
    Action{"window-1", Mode::Command, "a-1", "the first VM"},
    Action{"window-2", Mode::Command, "a-2", "the second VM"},
    Action{"window-3", Mode::Command, "a-3", "and so on"},
    Action{"window-4", Mode::Command, "a-4", ""},
    Action{"window-5", Mode::Command, "a-5", ""},
    Action{"window-6", Mode::Command, "a-6", ""},
    Action{"window-7", Mode::Command, "a-7", ""},
    Action{"window-8", Mode::Command, "a-8", ""},
    Action{"window-9", Mode::Command, "a-9", ""},

    Action{"up", Mode::History, "up k a-up wheel-up", "the item above"},
    Action{"down", Mode::History, "down j a-down wheel-down",
           "the item below; from the last one back to the line"},
    Action{"page-up", Mode::History, "pgup c-b", "a screen up"},
    Action{"page-down", Mode::History, "pgdn c-f space", "a screen down"},
    Action{"top", Mode::History, "home g", "the oldest item"},
    Action{"bottom", Mode::History, "end G", "the newest item"},
    Action{"open", Mode::History, "enter", "the item's details; opens or folds a run of events"},
    Action{"leave", Mode::History, "q esc backspace c-c", "back to the line"},
    Action{"run", Mode::History, "r", "run the command again"},
    Action{"edit", Mode::History, "e", "the command into the line"},
    Action{"copy", Mode::History, "y", "copy its JSON"},
    Action{"effect", Mode::History, "t", "to the event that the command caused, or the next one of them"},
    Action{"cause", Mode::History, "T", "from an event to the command that caused it"},
    Action{"save", Mode::History, "w c-s", "save the transcript to a file"},
    Action{"search", Mode::History, "/", "search"},
    Action{"search-next", Mode::History, "n", "the next match up"},
    Action{"search-previous", Mode::History, "N", "the next match down"},
    Action{"filter", Mode::History, "f", "filter the log"},
    Action{"view", Mode::History, "c-v", "the next of the four views"},
    Action{"redraw", Mode::History, "c-l", "draw the screen anew"},
    Action{"suspend", Mode::History, "c-z", "back to the shell that started this one, for a while"},
    Action{"keys", Mode::History, "f2 ?", "all keys"},

    Action{"up", Mode::Details, "up k wheel-up", "a line up"},
    Action{"down", Mode::Details, "down j wheel-down", "a line down"},
    Action{"page-up", Mode::Details, "pgup c-b", "a screen up"},
    Action{"page-down", Mode::Details, "pgdn c-f", "a screen down"},
    Action{"top", Mode::Details, "home g", "the first line"},
    Action{"bottom", Mode::Details, "end G", "the last line"},
    Action{"toggle", Mode::Details, "enter space", "open or fold"},
    Action{"fold", Mode::Details, "left", "fold"},
    Action{"unfold", Mode::Details, "right", "open"},
    Action{"fold-all", Mode::Details, "-", "fold everything"},
    Action{"unfold-all", Mode::Details, "+ *", "open everything"},
    Action{"leave", Mode::Details, "q Q backspace esc c-c", "close"},
    Action{"form", Mode::Details, "v c-v", "as a table, as a tree, as the bytes were"},
    Action{"run", Mode::Details, "r", "run the command again"},
    Action{"edit", Mode::Details, "e", "the command into the line"},
    Action{"copy", Mode::Details, "y", "copy what is selected, as JSON"},
    Action{"copy-path", Mode::Details, "p", "copy the path of what is selected"},
    Action{"effect", Mode::Details, "t", "to the event that the command caused, or the next one of them"},
    Action{"cause", Mode::Details, "T", "from an event to the command that caused it"},
    Action{"save", Mode::Details, "w", "save the item to a file"},
    Action{"search", Mode::Details, "/", "search"},
    Action{"search-next", Mode::Details, "n", "the next match"},
    Action{"search-previous", Mode::Details, "N", "the match before"},
    Action{"redraw", Mode::Details, "c-l", "draw the screen anew"},
    Action{"suspend", Mode::Details, "c-z", "back to the shell that started this one, for a while"},
    Action{"keys", Mode::Details, "f2 ?", "all keys"},

    Action{"up", Mode::Pager, "up k wheel-up", "a line up"},
    Action{"down", Mode::Pager, "down j enter wheel-down", "a line down"},
    Action{"page-up", Mode::Pager, "pgup c-b b", "a screen up"},
    Action{"page-down", Mode::Pager, "pgdn c-f space", "a screen down"},
    Action{"top", Mode::Pager, "home g", "the first line"},
    Action{"bottom", Mode::Pager, "end G", "the last line"},
    Action{"leave", Mode::Pager, "q Q backspace esc c-c", "close"},
    Action{"search", Mode::Pager, "/", "search"},
    Action{"search-next", Mode::Pager, "n", "the next match"},
    Action{"search-previous", Mode::Pager, "N", "the match before"},
    Action{"redraw", Mode::Pager, "c-l", "draw the screen anew"},
    Action{"suspend", Mode::Pager, "c-z", "back to the shell that started this one, for a while"},
    Action{"keys", Mode::Pager, "f2 ?", "all keys"},
};

std::vector<std::string> words_of(const char* text) {
    std::istringstream in(text);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

/// Keys that no terminal sends as bytes.
bool is_mouse(std::string_view key) {
    return key == "wheel-up" || key == "wheel-down" || key == "click";
}

}  // namespace

const char* name_of(Mode mode) {
    switch (mode) {
        case Mode::Command:
            return "command";
        case Mode::History:
            return "history";
        case Mode::Details:
            return "details";
        case Mode::Pager:
            return "pager";
    }
    return "";
}

std::span<const Action> actions() {
    return table;
}

Keymap::Keymap() {
    for (const auto& action : table)
        for (auto& key : words_of(action.keys)) bound_[action.mode][std::move(key)] = action.name;
}

std::string_view Keymap::action(Mode mode, std::string_view key) const {
    const auto& keys = bound_.at(mode);
    const auto found = keys.find(key);
    return found == keys.end() ? std::string_view() : std::string_view(found->second);
}

std::string Keymap::bind(Mode mode, const std::string& key, const std::string& action) {
    if (!is_mouse(key) && !key_named(key))
        return fmt::format("no key is called '{}': keys are a, c-x, a-up, c-a-s-f1, pgup, space, enter, esc",
                           key);
    if (action.empty()) {
        bound_[mode].erase(key);
        return {};
    }
    std::vector<std::string> names;
    for (const auto& one : table)
        if (one.mode == mode) names.emplace_back(one.name);
    // A builtin with its arguments can be bound as well.
    if (!action.starts_with('/') && std::ranges::find(names, action) == names.end()) {
        const auto hint = did_you_mean(action, names);
        return fmt::format("there is no action '{}' in {} mode{}{}; /keys lists them", action, name_of(mode),
                           hint.empty() ? "" : ": ", hint);
    }
    bound_[mode][key] = action;
    return {};
}

std::vector<std::string> Keymap::keys_of(Mode mode, std::string_view action) const {
    std::vector<std::string> keys;
    const auto& bound = bound_.at(mode);
    for (const auto& one : table) {
        if (one.mode != mode || one.name != action) continue;
        for (auto& key : words_of(one.keys))
            if (const auto found = bound.find(key); found != bound.end() && found->second == action)
                keys.push_back(std::move(key));
    }
    for (const auto& [key, does] : bound)
        if (does == action && std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
    return keys;
}

std::string spoken(std::string_view key) {
    std::string out;
    for (const auto& [prefix, word] :
         {std::pair{"c-", "Ctrl+"}, std::pair{"a-", "Alt+"}, std::pair{"s-", "Shift+"}}) {
        if (key.size() <= 2 || !key.starts_with(prefix)) continue;
        out += word;
        key.remove_prefix(2);
    }
    if (key == "pgup") return out + "PgUp";
    if (key == "pgdn") return out + "PgDn";
    std::string word(key);
    if (word.size() > 1 || !out.empty())
        word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
    return out + word;
}

}  // namespace qvm::shell
