// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/format.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "base/json.hpp"
#include "config/document.hpp"

namespace qvm::config {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/// Writes a text again, token by token. The text is known to be TOML.
class Formatter {
  public:
    explicit Formatter(std::string_view text) : text_(text) {
        if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
    }

    std::string run() {
        while (!at_end()) line();
        while (out_.ends_with("\n\n") || out_ == "\n") out_.pop_back();
        return std::move(out_);
    }

  private:
    bool at_end() const { return at_ >= text_.size(); }
    char now() const { return at_end() ? '\n' : text_[at_]; }
    bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }

    /// Goes over blanks; how they are written.
    std::string_view blanks() {
        const auto begin = at_;
        while (!at_end() && is_blank(text_[at_])) ++at_;
        return text_.substr(begin, at_ - begin);
    }

    void line() {
        blanks();
        if (now() == '[')
            header();
        else if (now() != '\n' && now() != '#')
            pair(0);
        line_end();
    }

    /// A comment, if there is one, and the end of the line; empty lines in a row become one.
    void line_end() {
        comment();
        if (!at_end()) ++at_;
        if (out_.empty() || out_.ends_with("\n\n")) return;
        out_ += '\n';
    }

    /// Keeps its distance from what stands before it in the line.
    void comment() {
        std::string_view before = blanks();
        if (now() != '#') return;
        const bool alone = out_.empty() || out_.ends_with('\n');
        if (!alone) out_ += before.empty() || before.find('\r') != before.npos ? " " : before;
        put_comment();
    }

    void put_comment() {
        const auto end = std::min(text_.find('\n', at_), text_.size());
        std::string_view words = text_.substr(at_, end - at_);
        while (!words.empty() && is_blank(words.back())) words.remove_suffix(1);
        out_ += words;
        at_ = end;
    }

    void put_char() { out_ += text_[at_++]; }

    void header() {
        const bool several = starts("[[");
        for (int i = 0; i < (several ? 2 : 1); ++i) put_char();
        key();
        for (int i = 0; i < (several ? 2 : 1); ++i) put_char();
    }

    /// a . "b c" as a."b c"; goes behind the blanks that follow it.
    void key() {
        blanks();
        while (!at_end() && std::string_view("=]\n").find(now()) == std::string_view::npos) {
            if (now() == '"' || now() == '\'')
                string();
            else
                put_char();
            blanks();
        }
    }

    void pair(int depth) {
        key();
        ++at_;  // '='
        blanks();
        out_ += " = ";
        value(depth);
    }

    void value(int depth) {
        if (now() == '[')
            array(depth + 1);
        else if (now() == '{')
            inline_table(depth);
        else if (now() == '"' || now() == '\'')
            string();
        else
            plain();
    }

    void string() {
        const char quote = now();
        const bool several_lines = starts(quote == '"' ? "\"\"\"" : "'''");
        const std::size_t width = several_lines ? 3 : 1;
        const auto begin = at_;
        at_ += width;
        const std::string_view closing = text_.substr(begin, width);
        while (!at_end() && !starts(closing)) at_ += quote == '"' && now() == '\\' ? 2 : 1;
        at_ = std::min(at_ + width, text_.size());
        // Up to two quotes may stand before the closing ones.
        while (several_lines && !at_end() && now() == quote) ++at_;
        out_ += text_.substr(begin, at_ - begin);
    }

    /// A number, a boolean or a date; a date may have a blank in it.
    void plain() {
        const auto begin = at_;
        while (!at_end() && std::string_view(",]}#\n").find(now()) == std::string_view::npos) ++at_;
        while (at_ > begin && is_blank(text_[at_ - 1])) --at_;
        out_ += text_.substr(begin, at_ - begin);
    }

    void inline_table(int depth) {
        put_char();
        blanks();
        bool first = true;
        while (!at_end() && now() != '}') {
            if (now() == ',') {
                ++at_;
                blanks();
                continue;
            }
            out_ += first ? " " : ", ";
            first = false;
            pair(depth);
            blanks();
        }
        if (!first) out_ += ' ';
        put_char();
    }

    /// Lines break where they did.
    void array(int depth) {
        put_char();
        bool broken = false;    // somewhere in this array
        bool at_begin = false;  // of a line
        bool after_comma = false;
        const auto indent = [&](int levels) {
            if (at_begin) out_.append(static_cast<std::size_t>(2 * levels), ' ');
            at_begin = false;
        };
        for (;;) {
            const auto before = blanks();
            if (at_end() || now() == ']') break;
            if (now() == '\n') {
                broken = true;
                at_begin = true;
                ++at_;
                if (!out_.ends_with("\n\n")) out_ += '\n';
            } else if (now() == '#') {
                if (!at_begin) out_ += before.empty() ? " " : before;
                indent(depth);
                put_comment();
            } else if (now() == ',') {
                indent(depth);
                put_char();
                after_comma = true;
            } else {
                if (!at_begin && after_comma) out_ += ' ';
                indent(depth);
                value(depth);
                after_comma = false;
            }
        }
        if (!broken && after_comma) out_.pop_back();
        indent(depth - 1);
        put_char();
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::string out_;
};

/// What a text means; nothing if it is no TOML.
std::optional<std::string> meaning(const std::string& name, const std::string& text,
                                   Diagnostics& diagnostics) {
    Diagnostics all;
    const Document document = load({{name, name, text}}, {}, all);
    bool good = true;
    for (const auto& diagnostic : all.list()) {
        if (diagnostic.kind != DiagnosticKind::TomlSyntax) continue;
        diagnostics.add(diagnostic);
        good = false;
    }
    if (!good) diagnostics.sources.add(name, text);
    return good ? std::optional(to_json(document.root).dump()) : std::nullopt;
}

}  // namespace

std::optional<std::string> format_toml(const std::string& name, const std::string& text,
                                       Diagnostics& diagnostics) {
    const auto before = meaning(name, text, diagnostics);
    if (!before) return std::nullopt;
    std::string formatted = Formatter(text).run();
    Diagnostics none;
    if (meaning(name, formatted, none) != before)
        throw std::logic_error("formatting '" + name + "' would change what it means");
    return formatted;
}

}  // namespace qvm::config
