// SPDX-License-Identifier: GPL-3.0-or-later
// The grammar's small pieces: space, words, quoted strings, and values in brackets.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/grammar_tree.hpp"

namespace qvm::shell {

/// How a value is read.
enum class Style {
    Typed,   ///< bare words are allowed, and mean what their type says; JSON5's liberties
    Exact,   ///< JSON5's liberties, but every value is what JSON says it is
    Strict,  ///< JSON as QEMU reads it
};

/// Deeper than any command; keeps hostile input off the end of the stack.
inline constexpr std::size_t deepest_value = 500;

class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool at_end() const { return at_ >= text_.size(); }
    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    bool starts_with(std::string_view what) const { return text_.substr(at_).starts_with(what); }
    /// Steps over `what` if it stands here.
    bool take(std::string_view what);
    void skip_space();
    std::size_t position() const { return at_; }
    void move_to(std::size_t at) { at_ = at; }
    std::string_view text() const { return text_; }
    std::string_view since(std::size_t begin) const { return text_.substr(begin, at_ - begin); }
    /// From `begin` to here.
    Range range_from(std::size_t begin) const { return {begin, at_}; }

    /// Only the first blocking finding is kept: what follows it is mostly its consequence.
    void block(Range where, std::string message, std::string hint = {});
    void warn(Range where, std::string message, std::string hint = {});
    bool blocked() const { return blocked_; }
    /// Takes back what was found since there were `count` findings, which did not block.
    void forget(std::size_t count) {
        findings.resize(count);
        blocked_ = false;
    }

    /// The value here: up to white space or one of `stops` when it is bare.
    Node read_value(Style style, std::string_view stops, std::size_t depth = 0);
    /// An object, with its braces.
    Node read_object(Style style, std::size_t depth = 0);
    /// A name or a value in quotes.
    Node read_string(Style style, AtEnd::Kind kind, bool in_object);
    std::string_view read_word(std::string_view stops);

    void reached_end(AtEnd::Kind kind, Range partial, std::string text = {}, char quote = '\0',
                     bool in_object = false);

    std::vector<Finding> findings;
    AtEnd at_end_place;
    bool unfinished = false;  ///< a bracket or quote is open at the end
    /// Where in the arguments that which is read belongs.
    qapi::Path path;
    /// Reads "$(...)", behind its parenthesis.
    std::function<std::shared_ptr<Request>()> read_command;

  private:
    void skip_space_and_comments(Style style);
    bool read_member(Node& object, Style style, std::size_t depth);
    bool read_name(Node::Member& member, Style style);
    bool read_separator(Style style);
    Node read_array(Style style, std::size_t depth);
    bool read_comma(char closing, Style style);
    Node read_file(std::string_view stops);
    Node read_substitution();
    Node read_bare(Style style, std::string_view stops);
    void finish_brackets(Node& node, char closing);
    void expected(const std::string& what);

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t brackets_ = 0;
    bool blocked_ = false;
    bool is_json_ = false;  ///< the name in front was in quotes, as JSON's are: literals are what they are
};

}  // namespace qvm::shell
