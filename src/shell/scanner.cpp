// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/scanner.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/literal.hpp"
#include "shell/quoted.hpp"

namespace qvm::shell {
namespace {

/// What ends a bare value, and a bare name, between brackets.
constexpr std::string_view value_stops = ",]}";
constexpr std::string_view name_stops = ":,{}[]\"'";

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20;
}

}  // namespace

bool Scanner::take(std::string_view what) {
    if (!starts_with(what)) return false;
    at_ += what.size();
    return true;
}

void Scanner::skip_space() {
    while (!at_end() && is_space(text_[at_])) ++at_;
}

void Scanner::block(Range where, std::string message, std::string hint) {
    if (blocked_) return;
    blocked_ = true;
    where = {std::min(where.begin, text_.size()), std::min(where.end, text_.size())};
    findings.push_back({where, true, std::move(message), std::move(hint)});
}

void Scanner::warn(Range where, std::string message, std::string hint) {
    findings.push_back({where, false, std::move(message), std::move(hint)});
}

void Scanner::reached_end(AtEnd::Kind kind, Range partial, std::string text, char quote, bool in_object) {
    at_end_place.kind = kind;
    at_end_place.partial = partial;
    at_end_place.text = std::move(text);
    at_end_place.quote = quote;
    at_end_place.in_object = in_object;
    at_end_place.path = path;
}

std::string_view Scanner::read_word(std::string_view stops) {
    const std::size_t begin = at_;
    while (!at_end() && !is_space(text_[at_]) && stops.find(text_[at_]) == std::string_view::npos) ++at_;
    return since(begin);
}

Node Scanner::read_value(Style style, std::string_view stops, std::size_t depth) {
    if (depth > deepest_value) {
        block({at_, text_.size()}, "this is nested too deeply");
        at_ = text_.size();
        return {};
    }
    if (peek() == '{') return read_object(style, depth);
    if (peek() == '[') return read_array(style, depth);
    if (peek() == '"' || peek() == '\'') return read_string(style, AtEnd::Kind::Value, brackets_ > 0);
    if (style != Style::Strict) {
        if (peek() == '@') return read_file(stops);
        if (starts_with("$(")) return read_substitution();
    }
    return read_bare(style, stops);
}

Node Scanner::read_string(Style style, AtEnd::Kind kind, bool in_object) {
    const std::size_t begin = at_;
    Quoted quoted = read_quoted(text_, begin);
    at_ = quoted.end;
    Node node;
    node.kind = Node::Kind::Quoted;
    node.where = range_from(begin);
    node.exact = style != Style::Typed;
    if (!quoted.closed) {
        unfinished = true;
        reached_end(kind, node.where, quoted.text, text_[begin], in_object);
    }
    if (!quoted.error.empty()) {
        const std::size_t end = quoted.closed ? quoted.error_at + 2 : text_.size();
        block({quoted.error_at, end}, fmt::format("{}: {}", place_of(text_, quoted.error_at), quoted.error));
    }
    if (style == Style::Strict) {
        const auto raw = since(begin);
        const auto control = std::ranges::find_if(raw, is_control);
        if (control != raw.end()) {
            const auto where = begin + static_cast<std::size_t>(control - raw.begin());
            block(
                {where, where + 1},
                place_of(text_, where) + ": a string of JSON has no control characters; write \\n, \\t, ...");
        }
    }
    node.text = std::move(quoted.text);
    return node;
}

void Scanner::expected(const std::string& what) {
    const std::size_t end = std::min(at_ + 1, text_.size());
    if (at_end()) {
        unfinished = true;
        block({at_, end}, fmt::format("{}: {} is missing", place_of(text_, at_), what));
    } else {
        block({at_, end}, fmt::format("{}: {} is missing before '{}'", place_of(text_, at_), what,
                                      escape_controls(cut_to_width(text_.substr(at_), 1))));
    }
}

void Scanner::skip_space_and_comments(Style style) {
    for (;;) {
        skip_space();
        if (style == Style::Strict) return;
        if (starts_with("//")) {
            at_ = std::min(text_.find('\n', at_), text_.size());
        } else if (starts_with("/*")) {
            const auto end = text_.find("*/", at_ + 2);
            if (end == std::string_view::npos) {
                unfinished = true;
                block({at_, text_.size()}, fmt::format("{}: the comment has no end", place_of(text_, at_)));
                at_ = text_.size();
                return;
            }
            at_ = end + 2;
        } else {
            return;
        }
    }
}

/// At the closing bracket, or where it should be.
void Scanner::finish_brackets(Node& node, char closing) {
    --brackets_;
    if (peek() == closing) {
        ++at_;
    } else {
        unfinished = unfinished || at_end();
        block(node.where, fmt::format("{}: the '{}' has no '{}'", place_of(text_, node.where.begin),
                                      closing == '}' ? '{' : '[', closing));
    }
    node.where.end = at_;
}

Node Scanner::read_object(Style style, std::size_t depth) {
    Node node;
    node.kind = Node::Kind::Object;
    node.where = {at_, at_ + 1};
    node.exact = style != Style::Typed;
    ++at_;
    ++brackets_;
    skip_space_and_comments(style);
    while (!blocked_ && peek() != '}') {
        if (!read_member(node, style, depth)) break;
    }
    finish_brackets(node, '}');
    return node;
}

/// One member and the comma behind it; false at the end or at something unreadable.
bool Scanner::read_member(Node& object, Style style, std::size_t depth) {
    Node::Member member;
    if (!read_name(member, style) || !read_separator(style)) return false;
    path.emplace_back(member.name);
    if (at_end()) reached_end(AtEnd::Kind::Value, {at_, at_}, {}, '\0', true);
    const bool outer =
        std::exchange(is_json_, text_[member.where.begin] == '"' || text_[member.where.begin] == '\'');
    member.value = read_value(style, value_stops, depth + 1);
    is_json_ = outer;
    path.pop_back();
    if (object.member(member.name) != nullptr)
        warn(member.where, fmt::format("'{}' is given twice", escape_controls(member.name)),
             "the last one counts");
    if (Node* earlier = object.member(member.name)) {
        *earlier = std::move(member.value);
    } else {
        object.members.push_back(std::move(member));
    }
    return read_comma('}', style);
}

bool Scanner::read_name(Node::Member& member, Style style) {
    const std::size_t begin = at_;
    if (at_end()) {
        reached_end(AtEnd::Kind::Name, {at_, at_}, {}, '\0', true);
        return false;
    }
    if (peek() == '"' || peek() == '\'') {
        Node name = read_string(style, AtEnd::Kind::Name, true);
        member.name = std::move(name.text);
        if (unfinished) return false;
    } else {
        member.name = style == Style::Strict ? "" : read_word(name_stops);
        if (at_end() && !member.name.empty())
            reached_end(AtEnd::Kind::Name, range_from(begin), member.name, '\0', true);
        if (member.name.empty()) {
            expected(style == Style::Strict ? "a name in quotes, or a '}'," : "a name");
            return false;
        }
    }
    member.where = range_from(begin);
    return true;
}

/// The colon; where bare words are allowed a space does as well.
bool Scanner::read_separator(Style style) {
    const std::size_t begin = at_;
    skip_space_and_comments(style);
    if (take(":")) {
        skip_space_and_comments(style);
        return true;
    }
    const bool spaced = style == Style::Typed && (at_ > begin || peek() == '{' || peek() == '[');
    if (spaced && !at_end() && peek() != ',' && peek() != '}' && peek() != ']') return true;
    if (spaced && at_end() && at_ > begin) return true;
    expected("a ':'");
    return false;
}

/// True when another member or element, or the closing bracket, follows.
bool Scanner::read_comma(char closing, Style style) {
    const std::size_t begin = at_;
    skip_space_and_comments(style);
    if (blocked_ || peek() == closing) return !blocked_;
    if (peek() == ',') {
        ++at_;
        skip_space_and_comments(style);
        if (style == Style::Strict && peek() == closing) {
            expected("a value");
            return false;
        }
        if (at_end() && closing == '}') reached_end(AtEnd::Kind::Name, {at_, at_}, {}, '\0', true);
        return true;
    }
    if (at_end()) {
        if (at_ > begin && closing == '}') reached_end(AtEnd::Kind::Name, {at_, at_}, {}, '\0', true);
        unfinished = true;
        return false;
    }
    if (style == Style::Typed && at_ > begin) return true;
    expected(fmt::format("a ',' or '{}'", closing));
    return false;
}

Node Scanner::read_array(Style style, std::size_t depth) {
    Node node;
    node.kind = Node::Kind::Array;
    node.where = {at_, at_ + 1};
    node.exact = style != Style::Typed;
    ++at_;
    ++brackets_;
    skip_space_and_comments(style);
    while (!blocked_ && peek() != ']') {
        path.emplace_back(node.elements.size());
        if (at_end()) reached_end(AtEnd::Kind::Value, {at_, at_}, {}, '\0', true);
        node.elements.push_back(read_value(style, value_stops, depth + 1));
        path.pop_back();
        if (!read_comma(']', style)) break;
        if (at_end()) {
            path.emplace_back(node.elements.size());
            reached_end(AtEnd::Kind::Value, {at_, at_}, {}, '\0', true);
            path.pop_back();
            break;
        }
    }
    finish_brackets(node, ']');
    return node;
}

Node Scanner::read_file(std::string_view stops) {
    Node node;
    node.kind = Node::Kind::File;
    const std::size_t begin = at_++;
    if (peek() == '"' || peek() == '\'') {
        node.text = read_string(Style::Typed, AtEnd::Kind::File, brackets_ > 0).text;
    } else {
        const std::size_t name = at_;
        node.text = read_word(stops);
        if (at_end()) reached_end(AtEnd::Kind::File, range_from(name), node.text, '\0', brackets_ > 0);
    }
    node.where = range_from(begin);
    if (node.text.empty())
        block(node.where, "a file's name is missing behind the '@'",
              "a value that begins with @ is written in quotes");
    return node;
}

Node Scanner::read_substitution() {
    Node node;
    node.kind = Node::Kind::Command;
    const std::size_t begin = at_;
    at_ += 2;
    const auto outer_path = std::exchange(path, {});
    const auto outer_brackets = std::exchange(brackets_, 0);
    const bool outer_json = std::exchange(is_json_, false);
    node.command = read_command();
    path = outer_path;
    brackets_ = outer_brackets;
    is_json_ = outer_json;
    if (!take(")")) {
        unfinished = unfinished || at_end();
        block(range_from(begin), fmt::format("{}: the '$(' has no ')'", place_of(text_, begin)));
    }
    node.where = range_from(begin);
    return node;
}

Node Scanner::read_bare(Style style, std::string_view stops) {
    Node node;
    node.kind = Node::Kind::Bare;
    node.exact = style != Style::Typed;
    const std::size_t begin = at_;
    node.text = read_word(stops);
    node.where = range_from(begin);
    if (at_end()) reached_end(AtEnd::Kind::Value, node.where, node.text, '\0', brackets_ > 0);
    if (node.text.empty() && (brackets_ > 0 || style != Style::Typed)) {
        expected("a value");
    } else if (is_json_ && literal(node.text, Digits::Json)) {
        node.exact = true;
    } else if (node.exact && !literal(node.text, style == Style::Strict ? Digits::Json : Digits::Any)) {
        unfinished = unfinished || (at_end() && brackets_ > 0);
        block(node.where,
              fmt::format("{}: '{}' is no JSON", place_of(text_, begin), escape_controls(node.text)),
              "a string is written in quotes");
    }
    return node;
}

}  // namespace qvm::shell
