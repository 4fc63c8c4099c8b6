// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/grammar.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/entry_reader.hpp"
#include "shell/grammar_check.hpp"
#include "shell/grammar_tree.hpp"
#include "shell/literal.hpp"
#include "shell/no_vocabulary.hpp"

namespace qvm::shell {
namespace {

/// The first byte that is not part of UTF-8 text.
std::optional<std::size_t> first_invalid(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t length = lead < 0x80                   ? 1
                                   : lead >= 0xC2 && lead < 0xE0 ? 2
                                   : lead >= 0xE0 && lead < 0xF0 ? 3
                                   : lead >= 0xF0 && lead < 0xF5 ? 4
                                                                 : 0;
        if (length == 0 || at + length > text.size()) return at;
        for (std::size_t i = 1; i < length; ++i)
            if ((static_cast<unsigned char>(text[at + i]) & 0xC0U) != 0x80U) return at;
        const auto second = length > 1 ? static_cast<unsigned char>(text[at + 1]) : 0U;
        const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
        if (overlong || (lead == 0xED && second >= 0xA0) || (lead == 0xF4 && second >= 0x90)) return at;
        at += length;
    }
    return std::nullopt;
}

/// A raw message's values are what they look like.
Json value_of(const Node& node) {
    switch (node.kind) {
        case Node::Kind::Bare:
            return literal(node.text, Digits::Any).value_or(Json(node.text));
        case Node::Kind::Array: {
            Json array = Json::array();
            for (const Node& element : node.elements) array.push_back(value_of(element));
            return array;
        }
        case Node::Kind::Object: {
            Json object = Json::object();
            for (const auto& member : node.members) object[member.name] = value_of(member.value);
            return object;
        }
        case Node::Kind::Quoted:
        case Node::Kind::File:
        case Node::Kind::Command:
            break;
    }
    return node.text;
}

BuiltinCall to_builtin(const Tree& tree, Vocabulary& vocabulary, std::vector<Finding>& findings) {
    std::vector<std::string> names;
    for (const auto& builtin : vocabulary.builtins()) names.push_back(builtin.name);
    if (std::ranges::find(names, tree.command) == names.end())
        findings.push_back({tree.command_range, true,
                            fmt::format("there is no shell command '/{}'", escape_controls(tree.command)),
                            did_you_mean(tree.command, names)});
    return {tree.command, tree.words, tree.rest, tree.pipes};
}

/// The end of the lines that could belong to one entry: at the first empty one, but for those in front.
std::size_t possible_end(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return text.size();
    for (auto line = text.find('\n', begin); line != std::string_view::npos;
         line = text.find('\n', line + 1)) {
        const auto next = text.find_first_not_of(" \t\r", line + 1);
        if (next != std::string_view::npos && text[next] == '\n') return line;
    }
    return text.size();
}

}  // namespace

bool Entered::blocked() const {
    return std::ranges::any_of(findings, &Finding::blocks);
}

const Node* Node::member(std::string_view name) const {
    const auto found = std::ranges::find(members, name, &Member::name);
    return found == members.end() ? nullptr : &found->value;
}

Node* Node::member(std::string_view name) {
    const auto found = std::ranges::find(members, name, &Member::name);
    return found == members.end() ? nullptr : &found->value;
}

const Node* find(const Node& root, const qapi::Path& path) {
    const Node* node = &root;
    for (const auto& step : path) {
        if (const auto* name = std::get_if<std::string>(&step)) {
            node = node->member(*name);
        } else {
            const auto index = std::get<std::size_t>(step);
            node = index < node->elements.size() ? &node->elements[index] : nullptr;
        }
        if (node == nullptr) return nullptr;
    }
    return node;
}

Entered parse(std::string_view text, Vocabulary& vocabulary) {
    Entered entered;
    if (const auto bad = first_invalid(text)) {
        entered.findings.push_back(
            {{*bad, *bad + 1}, true, place_of(text, *bad) + ": this is no UTF-8 text", {}});
        return entered;
    }
    EntryReader reader(text, vocabulary);
    Tree tree = reader.read();
    entered.findings = std::move(tree.findings);
    entered.guessed = reader.guessed();
    const auto rest = text.find_first_not_of(" \t\r\n", reader.end());
    if (rest != std::string_view::npos && !entered.blocked())
        entered.findings.push_back({{rest, text.size()}, true, "a second line begins another command", {}});
    // Of what is only half there, or no more than noise, a schema has nothing useful to say.
    std::vector<Finding> unheard;
    auto& said = entered.blocked() ? unheard : entered.findings;
    switch (tree.kind) {
        case Tree::Kind::Nothing:
            break;
        case Tree::Kind::Request:
            entered.what = to_request(tree, vocabulary, said, entered.guessed);
            break;
        case Tree::Kind::Raw: {
            RawMessage message{value_of(tree.arguments), tree.rest, tree.pipes};
            check_raw(message, tree, vocabulary, said);
            entered.what = std::move(message);
            break;
        }
        case Tree::Kind::Builtin:
            entered.what = to_builtin(tree, vocabulary, said);
            break;
    }
    return entered;
}

Tree read_tree(std::string_view text, Vocabulary& vocabulary) {
    return EntryReader(text, vocabulary).read();
}

std::optional<std::string_view> next_entry(std::string_view& text, bool whole) {
    if (text.empty()) return std::nullopt;
    const auto first = text.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && text[first] == '\n') {
        const auto blank = text.substr(0, first);
        text.remove_prefix(first + 1);
        return blank;
    }
    if (const auto line_end = text.find('\n'); line_end != std::string_view::npos) {
        // Most lines open nothing.
        const auto line = text.substr(0, line_end);
        if (line.find_first_of("{[(\"'/") == std::string_view::npos) {
            text.remove_prefix(line_end + 1);
            return line;
        }
    }
    const std::size_t limit = possible_end(text);
    if (limit == text.size() && !whole && text.find('\n') == std::string_view::npos) return std::nullopt;
    NoVocabulary nothing;  // where an entry ends does not depend on types
    EntryReader reader(text.substr(0, limit), nothing);
    const Tree tree = reader.read();
    const bool is_last = limit == text.size();
    if (is_last && tree.unfinished && !whole) return std::nullopt;
    const std::size_t read_to = tree.unfinished ? limit : reader.end();
    const std::size_t line_end = text.find('\n', read_to);
    if (line_end == std::string_view::npos && !whole) return std::nullopt;
    const std::string_view entry = text.substr(0, line_end);
    text.remove_prefix(line_end == std::string_view::npos ? text.size() : line_end + 1);
    return entry;
}

std::string place_of(std::string_view text, std::size_t at) {
    const auto before = text.substr(0, at);
    const auto line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    const auto column = display_width(before.substr(line_begin)) + 1;
    if (text.find('\n') == std::string_view::npos) return fmt::format("column {}", column);
    return fmt::format("line {} column {}", std::ranges::count(before, '\n') + 1, column);
}

}  // namespace qvm::shell
