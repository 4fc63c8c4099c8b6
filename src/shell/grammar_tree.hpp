// SPDX-License-Identifier: GPL-3.0-or-later
// An entry as it was written, before types are known: names and values with their places. What grammar.cpp
// makes meaning of, and what completion looks at.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/grammar.hpp"

namespace qvm::shell {

struct Node {
    enum class Kind {
        Bare,    ///< what it is, its type decides
        Quoted,  ///< a string
        Object,
        Array,
        File,     ///< @name
        Command,  ///< $(...)
    };
    struct Member;

    Kind kind = Kind::Object;
    Range where;
    std::string text;    ///< of Bare, Quoted and File
    bool exact = false;  ///< below ":=", or in a raw message: bare values are what JSON says they are
    std::vector<Member> members;
    std::vector<Node> elements;
    std::shared_ptr<Request> command;

    const Node* member(std::string_view name) const;
    Node* member(std::string_view name);
};

struct Node::Member {
    std::string name;
    Range where;  ///< of the name
    Node value;
};

/// The node at a path; null if there is none.
const Node* find(const Node& root, const qapi::Path& path);

/// What the text's last byte belongs to: where a cursor at its end is.
struct AtEnd {
    enum class Kind {
        Nothing,  ///< nothing can be said
        Command,  ///< the name of a command
        Action,   ///< the same, in transaction( )
        Name,     ///< of a member of the object at `path`
        Value,    ///< at `path`
        File,     ///< the file name of an @
        Pipe,
        BuiltinName,
        BuiltinWord,
    };
    Kind kind = Kind::Nothing;
    Range partial;           ///< what stands there so far, with its opening quote
    std::string text;        ///< the same without quotes
    char quote = '\0';       ///< an open one
    bool in_object = false;  ///< between braces: names are followed by ':' and values by ','
    qapi::Path path;
    std::string command;                    ///< whose arguments these are
    std::shared_ptr<const Node> arguments;  ///< and what there is of them
};

/// One entry, read without types.
struct Tree {
    enum class Kind { Nothing, Request, Raw, Builtin };
    Kind kind = Kind::Nothing;
    std::string command;  ///< or the builtin's name
    Range command_range;
    Node arguments;  ///< or the whole raw message
    bool oob = false;
    bool background = false;
    std::vector<PipeStage> pipes;
    std::vector<std::string> words;  ///< of a builtin
    std::string rest;                ///< of a builtin; the text of a raw message
    std::vector<Finding> findings;
    bool unfinished = false;  ///< a bracket or quote is open at the end
    AtEnd at_end;
};

/// Commands in $( ) are typed at once, with `vocabulary`.
Tree read_tree(std::string_view text, Vocabulary& vocabulary);

/// Types and checks a request. `guessed` is set when a value's type was not known.
Request to_request(const Tree& tree, Vocabulary& vocabulary, std::vector<Finding>& findings, bool& guessed);

/// A string as a value: bare where its type, if known, reads it as that string again.
std::string string_text(const std::string& value, const qapi::Type* type, bool in_brackets);
/// A member's name behind a dot, or at the beginning.
std::string name_text(const std::string& name, bool is_first);

}  // namespace qvm::shell
