// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/key.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace qvm::shell {
namespace {

constexpr char escape = '\x1b';
constexpr std::string_view paste_begins = "\x1b[200~";
constexpr std::string_view paste_ends = "\x1b[201~";
constexpr std::size_t longest_paste = std::size_t{4} << 20U;
constexpr std::size_t longest_sequence = 64;

// What xterm and those after it send: ctlseqs, "PC-Style Function Keys".
constexpr std::array<std::pair<char, const char*>, 12> finals = {{{'A', "up"},
                                                                  {'B', "down"},
                                                                  {'C', "right"},
                                                                  {'D', "left"},
                                                                  {'H', "home"},
                                                                  {'F', "end"},
                                                                  {'P', "f1"},
                                                                  {'Q', "f2"},
                                                                  {'R', "f3"},
                                                                  {'S', "f4"},
                                                                  {'Z', "s-tab"},
                                                                  {'M', "enter"}}};
constexpr std::array<std::pair<int, const char*>, 20> numbers = {
    {{1, "home"}, {2, "insert"}, {3, "delete"}, {4, "end"},  {5, "pgup"}, {6, "pgdn"}, {7, "home"},
     {8, "end"},  {11, "f1"},    {12, "f2"},    {13, "f3"},  {14, "f4"},  {15, "f5"},  {17, "f6"},
     {18, "f7"},  {19, "f8"},    {20, "f9"},    {21, "f10"}, {23, "f11"}, {24, "f12"}}};

std::string final_name(char final) {
    const auto found = std::ranges::find(finals, final, [](const auto& one) { return one.first; });
    return found == finals.end() ? "" : found->second;
}

std::string number_name(int number) {
    const auto found = std::ranges::find(numbers, number, [](const auto& one) { return one.first; });
    return found == numbers.end() ? "" : found->second;
}

/// Parameters of a control sequence: "1;3" -> {1, 3}.
std::vector<int> parameters_of(std::string_view text) {
    std::vector<int> out(1);
    for (const char c : text) {
        if (c == ';')
            out.push_back(0);
        else if (c >= '0' && c <= '9' && out.back() < 100'000)
            out.back() = out.back() * 10 + (c - '0');
    }
    return out;
}

/// xterm's modifier parameter: one more than a sum of 1 for Shift, 2 for Alt, 4 for Control.
std::string modified(int parameter, const std::string& name) {
    if (name.empty() || parameter <= 1) return name;
    const auto bits = static_cast<unsigned>(parameter - 1);
    return std::string((bits & 4U) != 0 ? "c-" : "") + ((bits & 2U) != 0 ? "a-" : "") +
           ((bits & 1U) != 0 ? "s-" : "") + name;
}

std::size_t utf8_length(char first) {
    const auto byte = static_cast<unsigned char>(first);
    if (byte >= 0xF0 && byte < 0xF8) return 4;
    if (byte >= 0xE0 && byte < 0xF0) return 3;
    if (byte >= 0xC2 && byte < 0xE0) return 2;
    return 1;
}

std::string control_name(char byte, char erase) {
    if (byte == '\r' || byte == '\n') return "enter";
    if (byte == '\t') return "tab";
    if (byte == erase) return "backspace";
    if (byte == '\x7f') return "c-?";
    if (byte == escape) return "esc";
    if (byte == ' ') return "space";
    if (byte == '\0') return "c-space";
    if (static_cast<unsigned char>(byte) < 0x20) {
        constexpr std::string_view others = "\\]^_";
        if (byte <= 26) return std::string("c-") + static_cast<char>('a' + byte - 1);
        return std::string("c-") + others[static_cast<std::size_t>(byte - 28)];
    }
    return std::string(1, byte);
}

Key mouse(std::string_view parameters, char final) {
    Key key;
    key.kind = Key::Kind::Mouse;
    const auto values = parameters_of(parameters);
    if (values.size() < 3) return key;
    key.column = static_cast<std::size_t>(std::max(0, values[1] - 1));
    key.row = static_cast<std::size_t>(std::max(0, values[2] - 1));
    if (values[0] == 64) key.name = "wheel-up";
    if (values[0] == 65) key.name = "wheel-down";
    if (values[0] == 0 && final == 'M') key.name = "click";
    return key;
}

}  // namespace

Key KeyReader::cut(std::size_t length, std::string name) {
    Key key;
    key.bytes = buffer_.substr(0, length);
    key.name = std::move(name);
    buffer_.erase(0, length);
    return key;
}

std::optional<Key> KeyReader::next(bool flush) {
    if (in_paste_) return take_paste();
    if (buffer_.empty()) return std::nullopt;
    if (buffer_.front() == escape) return take_escape(flush);
    return take_character(0, false, flush);
}

std::optional<Key> KeyReader::take_paste() {
    const auto end = buffer_.find(paste_ends);
    if (end == std::string::npos && buffer_.size() < longest_paste) return std::nullopt;
    auto key = cut(std::min(end, buffer_.size()), "paste");
    key.kind = Key::Kind::Paste;
    if (end != std::string::npos) buffer_.erase(0, paste_ends.size());
    in_paste_ = false;
    return key;
}

std::optional<Key> KeyReader::take_escape(bool flush) {
    const bool twice = buffer_.size() > 1 && buffer_[1] == escape;  // Alt with a key that is a sequence
    const std::size_t lead = twice ? 2 : 1;
    if (buffer_.size() == lead) {
        if (!flush) return std::nullopt;
        return cut(1, "esc");
    }
    const char kind = buffer_[lead];
    if (kind == '[') {
        if (buffer_.starts_with(paste_begins)) {
            buffer_.erase(0, paste_begins.size());
            in_paste_ = true;
            return take_paste();
        }
        auto key = take_csi(lead + 1, twice);
        if (key || !flush) return key;
        return cut(lead + 1, "a-[");
    }
    if (kind == 'O') {
        if (buffer_.size() > lead + 1) {
            const auto name = final_name(buffer_[lead + 1]);
            if (!name.empty()) return cut(lead + 2, twice ? "a-" + name : name);
        } else if (!flush) {
            return std::nullopt;
        }
        return cut(lead + 1, "a-O");
    }
    if (twice) return cut(1, "esc");
    return take_character(1, true, flush);
}

/// ESC [ parameters final. Nothing while its end has not come.
std::optional<Key> KeyReader::take_csi(std::size_t begin, bool alt) {
    std::size_t end = begin;
    while (end < buffer_.size() && (buffer_[end] < 0x40 || buffer_[end] > 0x7e)) {
        if (static_cast<unsigned char>(buffer_[end]) < 0x20 || end - begin > longest_sequence)
            return cut(end, "");  // no sequence of a terminal's
        ++end;
    }
    if (end == buffer_.size()) return std::nullopt;
    const char final = buffer_[end];
    const auto text = std::string_view(buffer_).substr(begin, end - begin);
    if (text.starts_with('<')) {
        auto key = mouse(text.substr(1), final);
        buffer_.erase(0, end + 1);
        return key;
    }
    const auto values = parameters_of(text);
    auto name = final == '~' ? number_name(values[0]) : final_name(final);
    if (values.size() > 1) name = modified(values[1], name);
    if (alt && !name.empty()) name.insert(0, "a-");
    return cut(end + 1, name);
}

std::optional<Key> KeyReader::take_character(std::size_t begin, bool alt, bool flush) {
    const auto length = utf8_length(buffer_[begin]);
    if (buffer_.size() < begin + length && !flush) return std::nullopt;
    const auto whole = std::min(length, buffer_.size() - begin);
    auto name = whole == 1 ? control_name(buffer_[begin], erase_) : buffer_.substr(begin, whole);
    // Control comes before Alt in a name.
    if (alt) name.starts_with("c-") ? name.insert(2, "a-") : name.insert(0, "a-");
    return cut(begin + whole, std::move(name));
}

std::optional<Key> key_named(std::string_view name) {
    if (name.empty()) return std::nullopt;
    std::string_view rest = name;
    int modifiers = 0;
    for (const auto& [prefix, bit] : {std::pair{"c-", 4}, std::pair{"a-", 2}, std::pair{"s-", 1}}) {
        if (rest.size() <= 2 || !rest.starts_with(prefix)) continue;
        modifiers += bit;
        rest.remove_prefix(2);
    }
    Key key;
    key.name = name;
    const std::string lead = (modifiers & 2) != 0 ? std::string(1, escape) : std::string();
    const std::array<std::pair<std::string_view, const char*>, 5> plain = {
        {{"enter", "\r"}, {"tab", "\t"}, {"backspace", "\x7f"}, {"esc", "\x1b"}, {"space", " "}}};
    if (const auto found = std::ranges::find(plain, rest, [](const auto& one) { return one.first; });
        found != plain.end() && (modifiers & 5) == 0) {
        key.bytes = lead + found->second;
        return key;
    }
    if (name == "s-tab") {
        key.bytes = "\x1b[Z";
        return key;
    }
    const std::string parameter = modifiers == 0 ? "" : ";" + std::to_string(modifiers + 1);
    for (const auto& [final, word] : finals) {
        if (rest != word) continue;
        key.bytes = std::string("\x1b[") + (modifiers == 0 ? "" : "1") + parameter + final;
        // F1 to F4 without modifiers are SS3.
        if (modifiers == 0 && rest.starts_with('f')) key.bytes = std::string("\x1bO") + final;
        return key;
    }
    for (const auto& [number, word] : numbers) {
        if (rest != word) continue;
        key.bytes = "\x1b[" + std::to_string(number) + parameter + "~";
        return key;
    }
    if ((modifiers & 4) != 0) {
        if (rest.size() != 1) return std::nullopt;
        const char c = rest.front();
        if (!((c >= 'a' && c <= 'z') || std::string_view("\\]^_?").find(c) != std::string_view::npos))
            return std::nullopt;
        key.bytes = lead + (c == '?' ? '\x7f' : static_cast<char>(static_cast<unsigned char>(c) & 0x1fU));
        return key;
    }
    if (rest.size() != utf8_length(rest.front())) return std::nullopt;
    key.bytes = lead + std::string(rest);
    return key;
}

}  // namespace qvm::shell
