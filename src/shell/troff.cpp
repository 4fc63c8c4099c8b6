// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/troff.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "shell/layout.hpp"

namespace qvm::shell {
namespace {

/// \(xx and \[xx]: what is meant, in ASCII, so that it is right in every locale.
std::string_view special(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 24> characters{{
        {"dq", "\""}, {"aq", "'"},  {"bu", "*"},  {"rs", "\\"},  {"ga", "`"},   {"ha", "^"},
        {"ti", "~"},  {"lq", "\""}, {"rq", "\""}, {"oq", "'"},   {"cq", "'"},   {"em", "--"},
        {"en", "-"},  {"hy", "-"},  {"mi", "-"},  {"->", "->"},  {"<-", "<-"},  {">=", ">="},
        {"<=", "<="}, {"!=", "!="}, {"mu", "x"},  {"co", "(C)"}, {"rg", "(R)"}, {"at", "@"},
    }};
    const auto* const found = std::ranges::find(characters, name, [](const auto& c) { return c.first; });
    return found == characters.end() ? "" : found->second;
}

/// Takes the text of an escape (behind the backslash) off the front: its name in \(xx or \[xxx] or x form.
std::string_view take_name(std::string_view& rest) {
    if (rest.empty()) return {};
    std::string_view name;
    if (rest.front() == '(') {
        name = rest.substr(1, 2);
        rest.remove_prefix(std::min<std::size_t>(3, rest.size()));
    } else if (rest.front() == '[') {
        const auto end = std::min(rest.find(']'), rest.size());
        name = rest.substr(1, end - 1);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    } else {
        name = rest.substr(0, 1);
        rest.remove_prefix(1);
    }
    return name;
}

class Inline {
  public:
    explicit Inline(Role plain) : plain_(plain), role_(plain) {}

    Line read(std::string_view rest) {
        while (!rest.empty()) {
            const auto text = rest.substr(0, rest.find('\\'));
            text_ += text;
            rest.remove_prefix(text.size());
            if (!rest.empty()) escape(rest);
        }
        end_piece();
        return std::move(line_);
    }

  private:
    void escape(std::string_view& rest) {
        rest.remove_prefix(1);
        if (rest.empty()) return;
        const char kind = rest.front();
        switch (kind) {
            case '(':
            case '[':
                text_ += special(take_name(rest));
                return;
            case 'f':
                rest.remove_prefix(1);
                font(take_name(rest));
                return;
            case 'X':
            case 'h':
            case 'v': {  // \X'...': nothing to be seen
                rest.remove_prefix(1);
                if (rest.empty()) return;
                const auto end = rest.find(rest.front(), 1);
                rest.remove_prefix(std::min(end == std::string_view::npos ? end : end + 1, rest.size()));
                return;
            }
            default:
                break;
        }
        rest.remove_prefix(1);
        if (kind == '\\' || kind == 'e') text_ += '\\';
        if (kind == '-') text_ += '-';
        if (kind == '\'' || kind == '`' || kind == '.') text_ += kind;
        if (kind == ' ' || kind == '~' || kind == '0') text_ += ' ';
    }
    void font(std::string_view name) {
        end_piece();
        if (name == "B" || name == "BI" || name == "CB")
            role_ = Role::Key;
        else if (name == "I" || name == "CI")
            role_ = Role::Literal;
        else
            role_ = plain_;
    }
    void end_piece() {
        if (text_.empty()) return;
        line_.push_back(span(text_, role_));
        text_.clear();
    }

    Role plain_;
    Role role_;
    std::string text_;
    Line line_;
};

std::string_view first_argument(std::string_view rest) {
    const auto begin = std::min(rest.find_first_not_of(' '), rest.size());
    rest.remove_prefix(begin);
    if (!rest.empty() && rest.front() == '"') return rest.substr(1, rest.find('"', 1) - 1);
    return rest.substr(0, rest.find(' '));
}

class Reader {
  public:
    std::vector<TroffBlock> read(std::string_view source) {
        while (!source.empty()) {
            const auto end = std::min(source.find('\n'), source.size());
            line(source.substr(0, end));
            source.remove_prefix(std::min(end + 1, source.size()));
        }
        end_paragraph();
        return std::move(blocks_);
    }

  private:
    struct Level {
        std::size_t base = 0;
        std::size_t item = 0;
    };

    void line(std::string_view text) {
        if (!text.empty() && (text.front() == '.' || text.front() == '\'')) {
            const auto name = text.substr(0, text.find(' '));
            request(name, text.substr(std::min(name.size() + 1, text.size())));
        } else if (code_) {
            add(TroffBlock::Kind::Code, troff_text(text));
        } else if (text.empty()) {
            end_paragraph();
        } else if (term_) {
            term(text);
        } else {
            if (!paragraph_.empty()) paragraph_ += ' ';
            paragraph_ += text;
        }
    }

    void request(std::string_view name, std::string_view arguments) {
        if (name == ".B" || name == ".I") {
            if (term_)
                term(arguments);
            else
                line(arguments.empty() || arguments.front() == '.' ? "" : arguments);
            return;
        }
        if (name == ".ft" || name == ".\\\"") return;
        end_paragraph();
        if (name == ".SS" || name == ".SH") {
            levels_.assign(1, {});
            add(TroffBlock::Kind::Heading, troff_text(arguments));
        } else if (name == ".INDENT" || name == ".RS") {
            const std::size_t more = first_argument(arguments) == "3.5" ? 2 : 0;
            levels_.push_back({indent() + more, 0});
        } else if ((name == ".UNINDENT" || name == ".RE") && levels_.size() > 1) {
            levels_.pop_back();
        } else if (name == ".TP") {
            levels_.back().item = 0;
            term_ = true;
        } else if (name == ".IP") {
            levels_.back().item = 0;
            entry(first_argument(arguments));
        } else if (name == ".nf" || name == ".EX") {
            code_ = true;
        } else if (name == ".fi" || name == ".EE") {
            code_ = false;
        }
    }

    void term(std::string_view text) {
        term_ = false;
        auto line = troff_text(text);
        bool behind_colon = false;
        for (auto& piece : line) {
            if (behind_colon && piece.role == Role::Key) piece.role = Role::Literal;
            if (piece.role == Role::Plain && piece.text.starts_with(':')) behind_colon = true;
        }
        add(TroffBlock::Kind::Term, std::move(line));
        levels_.back().item = 4;
    }

    /// A short mark stands before the entry; a long one is a title of its own ("Example:").
    void entry(std::string_view mark) {
        mark_ = {};
        if (mark.size() > 4 && mark.front() != '\\')
            term(mark);
        else
            mark_ = mark;
    }

    void end_paragraph() {
        if (paragraph_.empty()) return;
        auto text = troff_text(paragraph_);
        paragraph_.clear();
        add(TroffBlock::Kind::Text, std::move(text));
    }

    void add(TroffBlock::Kind kind, Line text) {
        TroffBlock block{kind, indent(), {}, std::move(text)};
        if (!mark_.empty()) {
            block.mark = std::exchange(mark_, {});
            levels_.back().item = 3;
        }
        blocks_.push_back(std::move(block));
    }

    std::size_t indent() const { return levels_.back().base + levels_.back().item; }

    std::vector<TroffBlock> blocks_;
    std::vector<Level> levels_{1};
    std::string paragraph_;
    std::string_view mark_;
    bool term_ = false;
    bool code_ = false;
};

}  // namespace

Line troff_text(std::string_view line, Role plain) {
    return Inline(plain).read(line);
}

std::vector<TroffBlock> read_troff(std::string_view source) {
    return Reader().read(source);
}

}  // namespace qvm::shell
