// SPDX-License-Identifier: GPL-3.0-or-later
// JSON as it travelled: read in place, token by token, without making values of it. What is shown, searched
// and cut is the text itself, so numbers stay exact, the order stays, and a reply of megabytes costs nothing
// until somebody looks at it. Broken JSON has tokens as well.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qvm::shell {

struct JsonToken {
    enum class Kind {
        Begin,  ///< { or [
        End,    ///< } or ]
        Comma,
        Colon,
        String,  ///< with its quotes (QEMU takes single ones, too); may lack the last one at the text's end
        Number,
        Literal,  ///< true, false, null
        Broken,   ///< a run of bytes that is none of these
    };
    Kind kind = Kind::Broken;
    std::size_t begin = 0;
    std::size_t end = 0;

    std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

/// Cuts text into tokens; what is between them is whitespace.
class JsonScanner {
  public:
    explicit JsonScanner(std::string_view text, std::size_t at = 0) : text_(text), at_(at) {}

    /// Nothing at the end of the text.
    std::optional<JsonToken> next();
    /// Where the next token is looked for.
    std::size_t at() const { return at_; }
    void move_to(std::size_t at) { at_ = at; }
    /// A colon comes next.
    bool before_colon() const;
    /// Behind the value that begins here, however deeply nested: where its last token ends.
    std::size_t skip_value();

  private:
    std::string_view text_;
    std::size_t at_;
};

/// Whether it is one JSON value and nothing else, as strictly as RFC 8259 has it.
bool is_json(std::string_view text);

/// The member of the object that `json` is: its value's text. Nothing if there is no such member, or `json`
/// is no object.
std::optional<std::string_view> json_member(std::string_view json, std::string_view name);
/// The same for a value of which only the beginning is wanted: up to the end of `json`. The member need not
/// be read to its end, so this costs nothing for the first member of a large reply.
std::optional<std::string_view> json_member_onwards(std::string_view json, std::string_view name);

/// All members of the object that `json` is, read once; refers to the text. None if it is no object. Of
/// members with the same name the first counts, as above.
class JsonMembers {
  public:
    explicit JsonMembers(std::string_view json);
    std::optional<std::string_view> find(std::string_view name) const;
    /// What the string says that the member is; any other value: its text; "" if there is none.
    std::string text(std::string_view name) const;

  private:
    std::vector<std::pair<std::string_view, std::string_view>> members_;  ///< tokens of keys, and values
};

/// What a string token says, in UTF-8. Half of a surrogate pair is U+FFFD. Without a closing quote: all there
/// is. Any other token: its text.
std::string json_string_value(std::string_view token);

/// What a backslash and what follows it say, and how many bytes that is: 0 if it is no escape. A code of
/// 0xD800 to 0xDFFF is half a pair.
struct JsonEscape {
    std::uint32_t code = 0;
    std::size_t bytes = 0;
};
/// `text` begins with a backslash.
JsonEscape read_json_escape(std::string_view text);
/// json_string_value() for a piece of a string, without quotes.
std::string decode_json(std::string_view inside);
/// A string token without its quotes, the last of which may be missing.
std::string_view inside_quotes(std::string_view token);

/// A string token for the screen: with its quotes, escapes of printable characters decoded, others as they
/// came, and nothing in it that moves a terminal. At most about `limit` bytes of the token are read; `cut`
/// says that this was not all.
struct ShownString {
    std::string text;
    bool cut = false;
};
ShownString show_json_string(std::string_view token, std::size_t limit);

/// Text for a Span: escape_controls(), with tabs and line ends made visible, too. At most about `limit` bytes
/// of it are read, never half a character.
std::string printable(std::string_view text, std::size_t limit = std::string_view::npos);
/// The bytes of the character that begins the text; 1 if that is no UTF-8.
std::size_t character_bytes(std::string_view text);
/// The first bytes of the text, at most `limit`, never half a character.
std::string_view cut_to_bytes(std::string_view text, std::size_t limit);

/// The text as a JSON string. Bytes that are no UTF-8 become lone surrogates (U+DC80 to U+DCFF, as Python's
/// surrogateescape does it), so that nothing is lost.
std::string quote_json(std::string_view text);
/// The same, with escapes for all that is not ASCII.
std::string quote_json_ascii(std::string_view text);
/// The reverse, lone surrogates made bytes again.
std::string unquote_json(std::string_view token);

}  // namespace qvm::shell
