// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_lines.hpp"

#include <algorithm>
#include <utility>

namespace qvm::shell {
namespace {

using Kind = JsonToken::Kind;

Role role_of(Kind kind, bool key) {
    switch (kind) {
        case Kind::Begin:
        case Kind::End:
        case Kind::Comma:
        case Kind::Colon:
            return Role::Plain;
        case Kind::String:
            return key ? Role::Key : Role::String;
        case Kind::Number:
            return Role::Number;
        case Kind::Literal:
            return Role::Literal;
        case Kind::Broken:
            return Role::Warning;
    }
    return Role::Plain;
}

/// Appends; plain text after plain text is one span.
void add(Line& line, Span span) {
    if (span.text.empty()) return;
    if (!line.empty() && line.back().role == span.role && span.role == Role::Plain)
        line.back().text += span.text;
    else
        line.push_back(std::move(span));
}

constexpr std::size_t deepest_indent = 32;

}  // namespace

Span json_span(std::string_view json, const JsonToken& token, bool key, std::size_t limit) {
    const auto text = token.of(json);
    const auto role = role_of(token.kind, key);
    if (token.kind == Kind::String) return {show_json_string(text, limit).text, role};
    return {printable(text, limit), role};
}

JsonLine read_json_line(std::string_view json, std::size_t limit) {
    JsonLine result;
    // A little more is looked at than shown, to tell keys from strings.
    constexpr std::size_t ahead = 256;
    JsonScanner scanner(json.substr(0, std::min(limit, json.size()) + ahead));
    while (result.read < limit) {
        const auto token = scanner.next();
        if (!token) {
            result.read = json.size();
            break;
        }
        if (token->begin > result.read && token->begin != 0) add(result.line, {" "});
        const bool key = token->kind == Kind::String && scanner.before_colon();
        const auto left = limit > token->begin ? limit - token->begin : 0;
        add(result.line, json_span(json, *token, key, left));
        result.read = std::min(token->end, std::max(limit, token->begin));
    }
    return result;
}

Line highlight_json(std::string_view json, std::size_t limit) {
    return read_json_line(json, limit).line;
}

/// After a value: takes the comma along, or the colon if the value is a key. False if the line goes on.
bool PrettyJson::value_ends_line(std::vector<Piece>& pieces) {
    auto peek = scanner_;
    const auto next = peek.next();
    if (!next || (next->kind != Kind::Comma && next->kind != Kind::Colon)) return true;
    scanner_ = peek;
    pieces.push_back({*next, false});
    if (next->kind == Kind::Comma) return true;
    const auto value = peek.next();
    return !value || value->kind == Kind::End;
}

std::vector<PrettyJson::Piece> PrettyJson::next_pieces() {
    std::vector<Piece> pieces;
    indent_ = depth_;
    while (auto token = scanner_.next()) {
        if (token->kind == Kind::End) {
            if (depth_ > 0) --depth_;
            if (pieces.empty()) indent_ = depth_;
        }
        const bool key = token->kind == Kind::String && scanner_.before_colon();
        pieces.push_back({*token, key});
        if (token->kind == Kind::Begin) {
            auto peek = scanner_;
            const auto next = peek.next();
            if (!next || next->kind != Kind::End) {
                ++depth_;
                break;
            }
            scanner_ = peek;
            pieces.push_back({*next, false});
        }
        if (value_ends_line(pieces)) break;
    }
    indent_ = std::min(indent_, deepest_indent);
    return pieces;
}

std::optional<Line> PrettyJson::next_line(std::size_t limit) {
    const auto pieces = next_pieces();
    if (pieces.empty()) return std::nullopt;
    Line line;
    add(line, {std::string(2 * indent_, ' ')});
    for (const auto& piece : pieces) {
        add(line, json_span(json_, piece.token, piece.key, limit));
        if (piece.token.kind == Kind::Colon) add(line, {" "});
        limit -= std::min(limit, piece.token.end - piece.token.begin);
    }
    return line;
}

std::optional<std::string> PrettyJson::next_text() {
    const auto pieces = next_pieces();
    if (pieces.empty()) return std::nullopt;
    std::string text(2 * indent_, ' ');
    for (const auto& piece : pieces) {
        text += piece.token.of(json_);
        if (piece.token.kind == Kind::Colon) text += ' ';
    }
    return text;
}

std::string pretty_json(std::string_view json) {
    PrettyJson pretty(json);
    std::string text;
    while (const auto line = pretty.next_text()) {
        text += *line;
        text += '\n';
    }
    return text;
}

}  // namespace qvm::shell
