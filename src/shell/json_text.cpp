// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_text.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::shell {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_structure(char c) {
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':' || c == '"' || c == '\'';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// As JSON has it: an optional minus, digits, an optional fraction and exponent.
bool is_number(std::string_view word) {
    std::size_t at = word.starts_with('-') ? 1 : 0;
    const auto digits = [&] {
        const auto begin = at;
        while (at < word.size() && is_digit(word[at])) ++at;
        return at > begin;
    };
    if (!digits()) return false;
    if (at < word.size() && word[at] == '.') {
        ++at;
        if (!digits()) return false;
    }
    if (at < word.size() && (word[at] == 'e' || word[at] == 'E')) {
        ++at;
        if (at < word.size() && (word[at] == '+' || word[at] == '-')) ++at;
        if (!digits()) return false;
    }
    return at == word.size();
}

/// The character at `at` of a string that begins at `begin` has a backslash of its own before it.
bool is_escaped(std::string_view text, std::size_t begin, std::size_t at) {
    auto first = at;
    while (first > begin + 1 && text[first - 1] == '\\') --first;
    return (at - first) % 2 == 1;
}

/// Searches for quotes rather than stepping through the string: it may hold megabytes.
std::size_t string_end(std::string_view text, std::size_t begin) {
    for (auto at = begin;;) {
        at = text.find(text[begin], at + 1);
        if (at == std::string_view::npos) return text.size();
        if (!is_escaped(text, begin, at)) return at + 1;
    }
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xC0U | code >> 6U);
        byte(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
        byte(0xE0U | code >> 12U);
        byte(0x80U | (code >> 6U & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    } else {
        byte(0xF0U | code >> 18U);
        byte(0x80U | (code >> 12U & 0x3FU));
        byte(0x80U | (code >> 6U & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    }
}

std::optional<std::uint32_t> hex4(std::string_view text) {
    if (text.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (const char c : text.substr(0, 4)) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return std::nullopt;
        value = value << 4U | static_cast<std::uint32_t>(digit);
    }
    return value;
}

/// The character that begins the text; no bytes if that is no UTF-8.
struct Character {
    std::uint32_t code = 0;
    std::size_t bytes = 0;
};

Character first_character(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x80) return {first, 1};
    const std::size_t bytes = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (bytes == 0 || text.size() < bytes) return {};
    std::uint32_t code = first & (0x7FU >> bytes);
    for (const char c : text.substr(1, bytes - 1)) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xC0U) != 0x80U) return {};
        code = code << 6U | (byte & 0x3FU);
    }
    const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
    return {code, bytes};
}

/// Whether the key's token says so; most have no escapes.
bool says(std::string_view key, std::string_view name) {
    if (key.size() == name.size() + 2 && key.substr(1, name.size()) == name) return true;
    return key.find('\\') != std::string_view::npos && json_string_value(key) == name;
}

std::optional<std::size_t> member_begin(std::string_view json, std::string_view name) {
    JsonScanner scanner(json);
    const auto open = scanner.next();
    if (!open || open->kind != JsonToken::Kind::Begin || json[open->begin] != '{') return std::nullopt;
    while (const auto token = scanner.next()) {
        if (token->kind == JsonToken::Kind::End) return std::nullopt;
        if (token->kind == JsonToken::Kind::Begin) {
            scanner.move_to(token->begin);
            scanner.skip_value();
        }
        if (token->kind != JsonToken::Kind::String || !scanner.before_colon()) continue;
        scanner.next();
        const auto value = scanner;
        const auto key = token->of(json);
        if (says(key, name)) {
            auto peek = value;
            const auto first = peek.next();
            if (!first) return std::nullopt;
            return first->begin;
        }
        scanner.skip_value();
    }
    return std::nullopt;
}

}  // namespace

std::optional<JsonToken> JsonScanner::next() {
    using Kind = JsonToken::Kind;
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    if (at_ >= text_.size()) return std::nullopt;
    const auto begin = at_;
    const auto token = [&](Kind kind, std::size_t end) {
        at_ = end;
        return JsonToken{kind, begin, end};
    };
    switch (text_[begin]) {
        case '{':
        case '[':
            return token(Kind::Begin, begin + 1);
        case '}':
        case ']':
            return token(Kind::End, begin + 1);
        case ',':
            return token(Kind::Comma, begin + 1);
        case ':':
            return token(Kind::Colon, begin + 1);
        case '"':
        case '\'':
            return token(Kind::String, string_end(text_, begin));
        default:
            break;
    }
    auto end = begin;
    while (end < text_.size() && !is_space(text_[end]) && !is_structure(text_[end])) ++end;
    const auto word = text_.substr(begin, end - begin);
    if (word == "true" || word == "false" || word == "null") return token(Kind::Literal, end);
    return token(is_number(word) ? Kind::Number : Kind::Broken, end);
}

bool JsonScanner::before_colon() const {
    auto at = at_;
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at < text_.size() && text_[at] == ':';
}

std::size_t JsonScanner::skip_value() {
    std::size_t depth = 0;
    for (;;) {
        const auto before = at_;
        const auto token = next();
        if (!token) return at_;
        if (token->kind == JsonToken::Kind::Begin) ++depth;
        if (token->kind == JsonToken::Kind::End) {
            if (depth == 0) return at_ = before;  // the end of what the missing value would be in
            --depth;
        }
        if (token->kind == JsonToken::Kind::Comma && depth == 0) return at_ = before;
        if (depth == 0) return at_;
    }
}

namespace {

bool is_strict_string(std::string_view token) {
    if (token.size() < 2 || token.front() != '"' || token.back() != '"') return false;
    if (is_escaped(token, 0, token.size() - 1)) return false;
    for (auto rest = token.substr(1, token.size() - 2); !rest.empty();) {
        const auto byte = static_cast<unsigned char>(rest.front());
        if (byte < 0x20) return false;
        const auto bytes = byte == '\\' ? rest.starts_with("\\'") ? 0 : read_json_escape(rest).bytes
                                        : first_character(rest).bytes;
        if (bytes == 0) return false;
        rest.remove_prefix(bytes);
    }
    return true;
}

bool is_strict_number(std::string_view word) {
    const auto digits = word.substr(word.starts_with('-') ? 1 : 0);
    return digits.size() < 2 || digits[0] != '0' || digits[1] < '0' || digits[1] > '9';
}

/// Follows the grammar, a token at a time.
class Grammar {
  public:
    bool take(const JsonToken& token, std::string_view text) {
        using Kind = JsonToken::Kind;
        switch (token.kind) {
            case Kind::Begin:
                if (!begins_value()) return false;
                open_ += text[token.begin];
                expects_ = open_.back() == '{' ? Expects::KeyOrEnd : Expects::ValueOrEnd;
                return true;
            case Kind::End:
                if (open_.empty() || (open_.back() == '{') != (text[token.begin] == '}')) return false;
                if (expects_ == Expects::Value || expects_ == Expects::Key || expects_ == Expects::Colon)
                    return false;
                open_.pop_back();
                expects_ = Expects::Separator;
                return true;
            case Kind::Comma:
                if (open_.empty() || expects_ != Expects::Separator) return false;
                expects_ = open_.back() == '{' ? Expects::Key : Expects::Value;
                return true;
            case Kind::Colon:
                return std::exchange(expects_, Expects::Value) == Expects::Colon;
            case Kind::String:
                if (!is_strict_string(token.of(text))) return false;
                if (expects_ == Expects::Key || expects_ == Expects::KeyOrEnd) {
                    expects_ = Expects::Colon;
                    return true;
                }
                break;
            case Kind::Number:
                if (!is_strict_number(token.of(text))) return false;
                break;
            case Kind::Literal:
                break;
            case Kind::Broken:
                return false;
        }
        if (!begins_value()) return false;
        expects_ = Expects::Separator;
        return true;
    }
    bool is_complete() const { return open_.empty() && expects_ == Expects::Separator; }

  private:
    enum class Expects { Value, ValueOrEnd, Key, KeyOrEnd, Colon, Separator };
    bool begins_value() const { return expects_ == Expects::Value || expects_ == Expects::ValueOrEnd; }

    Expects expects_ = Expects::Value;
    std::string open_;
};

}  // namespace

bool is_json(std::string_view text) {
    Grammar grammar;
    JsonScanner scanner(text);
    while (const auto token = scanner.next())
        if (!grammar.take(*token, text)) return false;
    return grammar.is_complete();
}

std::optional<std::string_view> json_member(std::string_view json, std::string_view name) {
    const auto begin = member_begin(json, name);
    if (!begin) return std::nullopt;
    JsonScanner scanner(json, *begin);
    return json.substr(*begin, scanner.skip_value() - *begin);
}

std::optional<std::string_view> json_member_onwards(std::string_view json, std::string_view name) {
    const auto begin = member_begin(json, name);
    if (!begin) return std::nullopt;
    return json.substr(*begin);
}

JsonMembers::JsonMembers(std::string_view json) {
    JsonScanner scanner(json);
    const auto open = scanner.next();
    if (!open || open->kind != JsonToken::Kind::Begin || json[open->begin] != '{') return;
    while (const auto token = scanner.next()) {
        if (token->kind == JsonToken::Kind::End) return;
        if (token->kind == JsonToken::Kind::Begin) {
            scanner.move_to(token->begin);
            scanner.skip_value();
        }
        if (token->kind != JsonToken::Kind::String || !scanner.before_colon()) continue;
        scanner.next();
        auto peek = scanner;
        const auto value = peek.next();
        if (!value) return;
        const auto end = std::max(value->begin, scanner.skip_value());
        members_.emplace_back(token->of(json), json.substr(value->begin, end - value->begin));
    }
}

std::optional<std::string_view> JsonMembers::find(std::string_view name) const {
    for (const auto& [key, value] : members_)
        if (says(key, name)) return value;
    return std::nullopt;
}

std::string JsonMembers::text(std::string_view name) const {
    const auto value = find(name);
    return value ? json_string_value(*value) : std::string();
}

JsonEscape read_json_escape(std::string_view text) {
    if (text.size() < 2) return {};
    switch (text[1]) {
        case 'b':
            return {'\b', 2};
        case 'f':
            return {'\f', 2};
        case 'n':
            return {'\n', 2};
        case 'r':
            return {'\r', 2};
        case 't':
            return {'\t', 2};
        case '"':
        case '\'':
        case '\\':
        case '/':
            return {static_cast<std::uint32_t>(text[1]), 2};
        case 'u':
            break;
        default:
            return {};
    }
    const auto high = hex4(text.substr(2));
    if (!high) return {};
    if (*high < 0xD800 || *high >= 0xDC00 || !text.substr(6).starts_with("\\u")) return {*high, 6};
    const auto low = hex4(text.substr(8));
    if (!low || *low < 0xDC00 || *low >= 0xE000) return {*high, 6};
    return {0x10000 + ((*high - 0xD800) << 10U) + (*low - 0xDC00), 12};
}

std::string_view inside_quotes(std::string_view token) {
    if (token.empty() || (token.front() != '"' && token.front() != '\'')) return token;
    const bool closed =
        token.size() > 1 && token.back() == token.front() && !is_escaped(token, 0, token.size() - 1);
    return token.substr(1, token.size() - (closed ? 2 : 1));
}

std::string decode_json(std::string_view inside) {
    std::string out;
    while (!inside.empty()) {
        const auto plain = std::min(inside.find('\\'), inside.size());
        out += inside.substr(0, plain);
        inside.remove_prefix(plain);
        if (inside.empty()) break;
        const auto escape = read_json_escape(inside);
        if (escape.bytes == 0)
            out += '\\';
        else
            append_utf8(out, escape.code >= 0xD800 && escape.code < 0xE000 ? 0xFFFD : escape.code);
        inside.remove_prefix(std::max<std::size_t>(1, escape.bytes));
    }
    return out;
}

std::string json_string_value(std::string_view token) {
    if (!token.starts_with('"') && !token.starts_with('\'')) return std::string(token);
    return decode_json(inside_quotes(token));
}

std::size_t character_bytes(std::string_view text) {
    return std::max<std::size_t>(1, first_character(text).bytes);
}

std::string_view cut_to_bytes(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text;
    auto end = limit;
    for (int back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U;
         ++back)
        --end;
    return text.substr(0, end);
}

std::string printable(std::string_view text, std::size_t limit) {
    auto out = escape_controls(cut_to_bytes(text, limit));
    if (out.find('\t') == std::string::npos) return out;
    std::string spaced;
    for (const char c : out) {
        if (c == '\t')
            spaced += "\\t";
        else
            spaced += c;
    }
    return spaced;
}

ShownString show_json_string(std::string_view token, std::size_t limit) {
    ShownString shown;
    const auto kept = cut_to_bytes(token, limit);
    shown.cut = kept.size() < token.size();
    for (auto rest = kept; !rest.empty();) {
        const auto backslash = std::min(rest.find('\\'), rest.size());
        shown.text += printable(rest.substr(0, backslash));
        rest.remove_prefix(backslash);
        if (rest.empty()) break;
        const auto escape = read_json_escape(rest);
        const auto bytes = std::min(rest.size(), std::max<std::size_t>(2, escape.bytes));
        std::string decoded;
        if (escape.bytes >= 6 && (escape.code < 0xD800 || escape.code >= 0xE000))
            append_utf8(decoded, escape.code);
        // Quotes and backslashes stay escaped: the text could not be read back otherwise.
        const bool shows = decoded.size() > 1 && printable(decoded) == decoded;
        shown.text += shows ? decoded : printable(rest.substr(0, bytes));
        rest.remove_prefix(bytes);
    }
    return shown;
}

namespace {

/// What becomes of printable characters that are not ASCII.
enum class Beyond { Kept, Escaped };

std::string quote(std::string_view text, Beyond beyond) {
    std::string out = "\"";
    while (!text.empty()) {
        const auto [code, bytes] = first_character(text);
        const auto character = text.substr(0, std::max<std::size_t>(1, bytes));
        if (bytes == 0)
            out += fmt::format("\\udc{:02x}", static_cast<unsigned char>(text.front()));
        else if (code == '"' || code == '\\')
            out += fmt::format("\\{}", character);
        else if (code == '\n')
            out += "\\n";
        else if (code >= 0x10000 && beyond == Beyond::Escaped)
            out += fmt::format("\\u{:04x}\\u{:04x}", 0xD7C0U + (code >> 10U), 0xDC00U + (code & 0x3FFU));
        else if (code < 0x20 || (code >= 0x80 && beyond == Beyond::Escaped) ||
                 escape_controls(character) != character)
            out += fmt::format("\\u{:04x}", code);
        else
            out += character;
        text.remove_prefix(character.size());
    }
    return out + '"';
}

}  // namespace

std::string quote_json(std::string_view text) {
    return quote(text, Beyond::Kept);
}

std::string quote_json_ascii(std::string_view text) {
    return quote(text, Beyond::Escaped);
}

std::string unquote_json(std::string_view token) {
    std::string out;
    for (auto rest = inside_quotes(token); !rest.empty();) {
        const auto escape = rest.front() == '\\' ? read_json_escape(rest) : JsonEscape{};
        if (escape.bytes == 0) {
            out += rest.front();
            rest.remove_prefix(1);
            continue;
        }
        if (escape.code >= 0xDC80 && escape.code <= 0xDCFF)
            out += static_cast<char>(escape.code & 0xFFU);
        else
            append_utf8(out, escape.code >= 0xD800 && escape.code < 0xE000 ? 0xFFFD : escape.code);
        rest.remove_prefix(escape.bytes);
    }
    return out;
}

}  // namespace qvm::shell
