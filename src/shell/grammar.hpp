// SPDX-License-Identifier: GPL-3.0-or-later
// What a user types, and what it means: the one grammar of the shell, of `qvm qmp` and of macros, specified
// in qvm-shell(7) and versioned. Pure: values that come from elsewhere (a file, another command's reply) are
// left open, for the caller to fill.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "qapi/validate.hpp"
#include "shell/pipe.hpp"
#include "shell/vocabulary.hpp"

namespace qvm::shell {

/// Of qvm-shell(7). It grows when a text that meant something means something else.
inline constexpr int grammar_version = 1;

/// Bytes of the text.
struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;

    bool operator==(const Range&) const = default;
};

/// Something to say of a part of the text.
struct Finding {
    Range where;
    /// Unreadable: must not be sent. Otherwise the server would most probably refuse it, and a user who wants
    /// to see that may send it all the same.
    bool blocks = false;
    std::string message;  ///< a sentence without a dot
    std::string hint;     ///< what was probably meant, or what is possible; or empty
};

struct Request;

/// A value that is not known from the text alone. In the arguments null stands in its place.
struct Deferred {
    enum class Form {
        Text,  ///< the file as it is, as a string
        Json,  ///< the file's JSON
        Guess  ///< JSON when it is an object or an array, text otherwise
    };
    qapi::Path where;
    Range range;
    Form form = Form::Text;
    std::string file;                  ///< not empty: of this file
    std::shared_ptr<Request> command;  ///< else: what this gives
};

struct Request {
    std::string command;
    Json arguments = Json::object();
    bool oob = false;         ///< "!"
    bool background = false;  ///< "&"
    std::vector<PipeStage> pipes;
    std::vector<Deferred> deferred;
};

/// Puts what a file held, or what a command gave, into the arguments. Throws Error when the file should hold
/// JSON and does not.
void fill_from_file(Request& request, const Deferred& deferred, std::string_view file_content);
void fill_from_reply(Request& request, const Deferred& deferred, const Json& reply);

/// A whole QMP message.
struct RawMessage {
    Json object;
    std::string text;  ///< as typed, to be sent as it is
    std::vector<PipeStage> pipes;
};

/// A command of the shell itself.
struct BuiltinCall {
    std::string name;                ///< without the slash
    std::vector<std::string> words;  ///< unquoted, without pipes
    std::string rest;                ///< all behind the name as it stands, pipes and comment included
    std::vector<PipeStage> pipes;
};

/// An empty line, or a comment.
struct Nothing {};

struct Entered {
    std::variant<Nothing, Request, RawMessage, BuiltinCall> what;
    std::vector<Finding> findings;  ///< in the order of the text
    /// Some value was read by its looks, because its type is not known (yet).
    bool guessed = false;

    /// `what` is the best that could be made of it, and must not be sent.
    bool blocked() const;
};

/// Reads one entry (next_entry()). Never throws for what the text holds.
Entered parse(std::string_view text, Vocabulary& vocabulary);

/// Cuts the first entry off a text of several lines, its line end included: one line, or more while a bracket
/// or quote is open, but never beyond an empty line. Nothing comes of an empty text, and, without `whole`, of
/// one that may go on.
std::optional<std::string_view> next_entry(std::string_view& text, bool whole);

/// The shortest entry that gives these. Types, if known, decide what needs quotes; null: nothing is known.
std::string to_text(std::string_view command, const Json& arguments, Vocabulary* vocabulary = nullptr);

/// "line 2 column 5", or "column 5" when the text has one line.
std::string place_of(std::string_view text, std::size_t at);

}  // namespace qvm::shell
