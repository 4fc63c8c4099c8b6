// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/shell_words.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

namespace qvm::config {
namespace {

using Words = std::vector<std::string>;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool ends_word(char c) {
    return is_blank(c) || std::string_view("\n;&|<>()").find(c) != std::string_view::npos;
}

/// A word in the making; an expansion outside quotes may end it and begin others.
class Word {
  public:
    void add(std::string_view text) {
        current_ += text;
        begun_ = true;
    }
    void add_split(std::string_view text) {
        for (const char c : text) {
            if (is_blank(c) || c == '\n')
                end();
            else
                add({&c, 1});
        }
    }
    void add_each(const Words& words) {
        for (std::size_t i = 0; i < words.size(); ++i) {
            if (i > 0) end();
            add(words[i]);
        }
    }
    void end() {
        if (begun_) done_.push_back(std::move(current_));
        current_.clear();
        begun_ = false;
    }
    const std::string& current() const { return current_; }
    Words take() {
        end();
        return std::move(done_);
    }

  private:
    Words done_;
    std::string current_;
    bool begun_ = false;
};

class ShellReader {
  public:
    explicit ShellReader(std::string_view text) : text_(text) {}

    bool at_end() const { return at_ >= text_.size(); }
    Words& warnings() { return warnings_; }

    /// The words of the next command; assignments before it are carried out.
    Words command() {
        Words words;
        while (!at_end()) {
            skip_blanks();
            if (at_end()) break;
            const char c = text_[at_];
            if (c == '\n' || c == ';' || c == '&' || c == '|' || c == '(' || c == ')') {
                ++at_;
                if (!words.empty()) return words;
            } else if (c == '<' || c == '>') {
                skip_redirection();
            } else if (!words.empty() || !assignment()) {
                const Words more = word();
                words.insert(words.end(), more.begin(), more.end());
            }
        }
        return words;
    }

  private:
    /// Blanks, continued lines, comments.
    void skip_blanks() {
        while (!at_end()) {
            if (is_blank(text_[at_]))
                ++at_;
            else if (text_.substr(at_).starts_with("\\\n"))
                at_ += 2;
            else if (text_.substr(at_).starts_with("\\\r\n"))
                at_ += 3;
            else if (text_[at_] == '#')
                at_ = std::min(text_.find('\n', at_), text_.size());
            else
                return;
        }
    }

    void skip_redirection() {
        while (!at_end() && std::string_view("<>&|").find(text_[at_]) != std::string_view::npos) ++at_;
        skip_blanks();
        word();
    }

    /// NAME=word, NAME=(words), NAME+=..
    bool assignment() {
        std::size_t end = at_;
        while (end < text_.size() && is_name(text_[end])) ++end;
        const bool more = text_.substr(end).starts_with("+=");
        if (end == at_ || (!more && !text_.substr(end).starts_with("="))) return false;
        Words& variable = variables_[std::string(text_.substr(at_, end - at_))];
        at_ = end + (more ? 2 : 1);
        const bool array = !at_end() && text_[at_] == '(';
        const Words warnings = warnings_;  // what is not known matters where the variable is used
        Words words;
        if (array) {
            ++at_;
            words = list();
        } else {
            Word quoted;
            word(quoted, Splitting::No);
            words = {quoted.current()};
        }
        warnings_ = warnings;
        if (!more) variable.clear();
        if (more && !array && !variable.empty())
            variable.back() += words.front();
        else
            variable.insert(variable.end(), words.begin(), words.end());
        return true;
    }

    /// To the closing parenthesis.
    Words list() {
        Words words;
        while (!at_end()) {
            skip_blanks();
            if (at_end()) break;
            const char c = text_[at_];
            if (c == ')' || c == '\n' || ends_word(c)) {
                ++at_;
                if (c == ')') break;
                continue;
            }
            const Words more = word();
            words.insert(words.end(), more.begin(), more.end());
        }
        return words;
    }

    enum class Splitting { Yes, No };

    Words word() {
        Word word;
        const auto begin = at_;
        this->word(word, Splitting::Yes);
        const std::string_view written = text_.substr(begin, at_ - begin);
        // The 2 of "2>file".
        if (!at_end() && (text_[at_] == '>' || text_[at_] == '<') && !written.empty() &&
            written.find_first_not_of("0123456789") == std::string_view::npos)
            return {};
        return word.take();
    }

    void word(Word& word, Splitting splitting) {
        while (!at_end() && !ends_word(text_[at_])) {
            const char c = text_[at_];
            if (c == '\'') {
                const auto end = std::min(text_.find('\'', at_ + 1), text_.size());
                word.add(text_.substr(at_ + 1, end - at_ - 1));
                at_ = std::min(end + 1, text_.size());
            } else if (c == '"') {
                ++at_;
                double_quoted(word);
            } else if (c == '\\') {
                escape(word);
            } else if (c == '$' || c == '`') {
                expansion(word, splitting == Splitting::No);
            } else {
                word.add(text_.substr(at_++, 1));
            }
        }
    }

    void escape(Word& word) {
        ++at_;
        if (at_end()) return;
        if (text_[at_] != '\n') word.add(text_.substr(at_, 1));
        ++at_;
    }

    void double_quoted(Word& word) {
        word.add("");
        while (!at_end() && text_[at_] != '"') {
            const char c = text_[at_];
            const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
            if (c == '\\' && std::string_view("$`\"\\\n").find(next) != std::string_view::npos) {
                escape(word);
            } else if (c == '$' || c == '`') {
                expansion(word, true);
            } else {
                word.add(text_.substr(at_++, 1));
            }
        }
        at_ = std::min(at_ + 1, text_.size());
    }

    /// $NAME, ${NAME}, ${NAME[@]}, "$@"; what only a shell can expand stays as it is.
    void expansion(Word& word, bool quoted) {
        const std::size_t begin = at_;
        const std::string name = expansion_name();
        const std::string_view written = text_.substr(begin, at_ - begin);
        if (written == "$") {
            word.add(written);
            return;
        }
        if (name == "@" || name == "*") {
            warn("the script's own arguments are not known");
            return;
        }
        const auto known = variables_.find(name);
        if (known == variables_.end()) {
            word.add(written);
            warn_unknown(written);
            return;
        }
        for (const auto& value : known->second)
            if (value.find_first_of("$`") != std::string::npos) warn_unknown(value);
        if (written.find('[') != std::string_view::npos || known->second.size() > 1)
            word.add_each(known->second);
        else if (!known->second.empty() && quoted)
            word.add(known->second.front());
        else if (!known->second.empty())
            word.add_split(known->second.front());
    }

    /// Goes behind the expansion; its variable's name, or "" if it is more than a variable.
    std::string expansion_name() {
        const std::size_t begin = at_++;
        if (text_[begin] == '`') {
            at_ = std::min(text_.find('`', at_), text_.size() - 1) + 1;
            return {};
        }
        if (at_end()) return {};
        if (text_[at_] == '(') {
            skip_nested('(', ')');
            return {};
        }
        if (text_[at_] == '{') {
            skip_nested('{', '}');
            std::string_view inner = text_.substr(begin + 2, at_ - begin - 3);
            if (inner.ends_with("[@]") || inner.ends_with("[*]")) inner.remove_suffix(3);
            return std::string(inner);
        }
        if (text_[at_] == '@' || text_[at_] == '*') return std::string(1, text_[at_++]);
        while (!at_end() && is_name(text_[at_])) ++at_;
        return std::string(text_.substr(begin + 1, at_ - begin - 1));
    }

    void skip_nested(char open, char close) {
        int depth = 0;
        while (!at_end()) {
            const char c = text_[at_++];
            depth += c == open ? 1 : c == close ? -1 : 0;
            if (depth == 0) return;
        }
    }

    void warn_unknown(std::string_view written) {
        warn(fmt::format("'{}' is known to a shell only: replace it in the result", written));
    }

    void warn(std::string text) {
        if (std::ranges::find(warnings_, text) == warnings_.end()) warnings_.push_back(std::move(text));
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::map<std::string, Words, std::less<>> variables_;
    Words warnings_;
};

/// Of a command's words, the first that is QEMU's name and has options behind it.
std::size_t qemu_position(const Words& words) {
    constexpr std::array<std::string_view, 3> before{"sudo", "exec", "nohup"};
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const bool first =
            i == 0 || std::ranges::find(before, std::string_view(words[i - 1])) != before.end();
        const bool full = words[i].find("qemu-system-") != std::string::npos;
        const bool variable = words[i].starts_with('$') && (words[i].find("QEMU") != std::string::npos ||
                                                            words[i].find("qemu") != std::string::npos);
        const bool named = variable || (is_qemu_name(words[i]) && (first || full));
        // An option, or the file of a disk: `command -v qemu-system-x86_64` and the like have neither.
        const std::string& next = words[i + 1];
        if (named && (next.starts_with('-') || (first && next.find('.') != std::string::npos))) return i;
    }
    return words.size();
}

}  // namespace

bool is_qemu_name(std::string_view word) {
    const auto slash = word.rfind('/');
    if (slash != std::string_view::npos) word.remove_prefix(slash + 1);
    return word.starts_with("qemu-system-") || word == "qemu-kvm" || word == "kvm" || word == "qemu";
}

ShellCommand qemu_command(std::string_view script) {
    ShellReader reader(script);
    while (!reader.at_end()) {
        reader.warnings().clear();
        Words words = reader.command();
        const auto at = qemu_position(words);
        if (at == words.size()) continue;
        words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(at));
        return {std::move(words), std::move(reader.warnings())};
    }
    return {};
}

}  // namespace qvm::config
