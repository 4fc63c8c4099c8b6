// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/entry_reader.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/quoted.hpp"

namespace qvm::shell {
namespace {

/// Commands in commands in commands.
constexpr std::size_t deepest_substitution = 20;

/// What ends a command's name, and a member's.
constexpr std::string_view command_stops = "!|(){}[]&;=\"',#";
constexpr std::string_view member_stops = ".=:+!|(){}[]&;\"',@";

/// "0", "12": an element's number.
std::optional<std::size_t> element_number(std::string_view word) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (word.empty() || error != std::errc() || end != word.data() + word.size()) return std::nullopt;
    return number;
}

/// Does a quote behind `before` begin a name in a path?
bool opens_name(char before) {
    return before == '.' || before == '[';
}

/// Does the quote at `at` begin the text of the grep at `begin`?
bool opens_pattern(std::string_view text, std::size_t begin, std::size_t at) {
    auto stage = text.substr(begin, at - begin);
    if (!stage.empty() && !is_space(stage.back())) return false;
    while (!stage.empty() && is_space(stage.back())) stage.remove_suffix(1);
    const auto word = stage.substr(stage.find_last_of(" \t") + 1);  // npos + 1 is 0
    return stage == "grep" || (stage.starts_with("grep") && word.starts_with('-'));
}

}  // namespace

EntryReader::EntryReader(std::string_view text, Vocabulary& vocabulary)
    : scan_(text), vocabulary_(vocabulary) {
    scan_.read_command = [this] { return read_substitution(); };
}

Tree EntryReader::read() {
    Tree tree;
    scan_.skip_space();
    if (scan_.at_end() || scan_.peek() == '#') {
        if (scan_.at_end()) scan_.reached_end(AtEnd::Kind::Command, {scan_.position(), scan_.position()});
        while (!scan_.at_end() && scan_.peek() != '\n') scan_.move_to(scan_.position() + 1);
    } else if (scan_.peek() == '{') {
        read_raw(tree);
    } else if (scan_.peek() == '/' && scan_.peek(1) != '/') {
        read_builtin(tree);
    } else {
        scan_.take("/");  // of two: the command's name begins with one
        read_request(tree, Inside::Line);
    }
    tree.findings = std::move(scan_.findings);
    tree.unfinished = scan_.unfinished;
    tree.at_end = std::move(scan_.at_end_place);
    return tree;
}

void EntryReader::skip_blanks(Inside inside) {
    if (inside != Inside::Line) return scan_.skip_space();
    while (is_space(scan_.peek()) && scan_.peek() != '\n') scan_.move_to(scan_.position() + 1);
}

bool EntryReader::at_end_of(Inside inside) const {
    if (scan_.at_end()) return true;
    switch (inside) {
        case Inside::Line:
            return scan_.peek() == '\n';
        case Inside::Substitution:
            return scan_.peek() == ')';
        case Inside::Transaction:
            return scan_.peek() == ')' || scan_.peek() == ';' || scan_.peek() == '\n';
    }
    return true;
}

void EntryReader::read_raw(Tree& tree) {
    tree.kind = Tree::Kind::Raw;
    const std::size_t begin = scan_.position();
    tree.arguments = scan_.read_object(Style::Strict);
    tree.command_range = tree.arguments.where;
    tree.rest = scan_.since(begin);
    read_tail(tree, Inside::Line);
}

void EntryReader::read_builtin(Tree& tree) {
    tree.kind = Tree::Kind::Builtin;
    const std::size_t begin = scan_.position();
    scan_.take("/");
    tree.command = scan_.read_word("|");
    tree.command_range = scan_.range_from(begin);
    if (scan_.at_end()) scan_.reached_end(AtEnd::Kind::BuiltinName, tree.command_range, tree.command);
    const std::size_t line_end = std::min(scan_.text().find('\n', scan_.position()), scan_.text().size());
    const auto line = scan_.text().substr(0, line_end);
    skip_blanks(Inside::Line);
    const auto rest = line.substr(std::min(scan_.position(), line_end));
    tree.rest = rest.substr(0, rest.find_last_not_of(" \t\r") + 1);
    read_words(tree, line);
    scan_.move_to(line_end);
    tree.at_end.command = tree.command;
    scan_.at_end_place.command = tree.command;
}

/// Words until a pipe; what only looks like one is a word as well.
void EntryReader::read_words(Tree& tree, std::string_view line) {
    std::size_t at = scan_.position();
    const bool goes_to_end = line.size() == scan_.text().size();
    const auto reached = [&](std::size_t begin, std::string text, char quote) {
        if (goes_to_end)
            scan_.reached_end(AtEnd::Kind::BuiltinWord, {begin, line.size()}, std::move(text), quote);
    };
    if (at > tree.command_range.end) reached(line.size(), {}, '\0');
    while (at < line.size()) {
        if (is_space(line[at])) {
            ++at;
            continue;
        }
        if (line[at] == '|') {
            scan_.move_to(at);
            const std::size_t said = scan_.findings.size();
            while (scan_.peek() == '|' && !scan_.blocked()) {
                read_pipe(tree, Inside::Line);
                skip_blanks(Inside::Line);
            }
            const bool readable = scan_.findings.size() == said && at_end_of(Inside::Line);
            if (readable) return;
            scan_.forget(said);
            tree.pipes.clear();
        }
        const std::size_t begin = at;
        const Quoted quoted = line[at] == '"' || line[at] == '\'' ? read_quoted(line, at) : Quoted{};
        if (quoted.closed && quoted.error.empty()) {
            tree.words.push_back(quoted.text);
            at = quoted.end;
            continue;
        }
        while (at < line.size() && !is_space(line[at])) ++at;
        tree.words.emplace_back(line.substr(begin, at - begin));
        if (at == line.size()) {
            const bool open = line[begin] == '"' || line[begin] == '\'';
            reached(begin, tree.words.back().substr(open ? 1 : 0), open ? line[begin] : '\0');
        }
    }
}

void EntryReader::read_request(Tree& tree, Inside inside) {
    tree.kind = Tree::Kind::Request;
    if (!read_command_name(tree, inside)) return;
    skip_blanks(inside);
    if (scan_.peek() == '(' && tree.command == "transaction") read_actions(tree);
    read_arguments(tree, inside);
    if (!scan_.blocked()) read_tail(tree, inside);
    finish(tree);
}

/// Where the end is, it is told what there is of the arguments.
void EntryReader::finish(Tree& tree) {
    AtEnd& end = scan_.at_end_place;
    const bool in_arguments =
        end.kind == AtEnd::Kind::Name || end.kind == AtEnd::Kind::Value || end.kind == AtEnd::Kind::File;
    if (!in_arguments || end.arguments) return;
    end.command = tree.command;
    end.arguments = std::make_shared<const Node>(tree.arguments);
}

bool EntryReader::read_command_name(Tree& tree, Inside inside) {
    const std::size_t begin = scan_.position();
    tree.command = scan_.read_word(command_stops);
    tree.command_range = scan_.range_from(begin);
    if (scan_.at_end())
        scan_.reached_end(inside == Inside::Transaction ? AtEnd::Kind::Action : AtEnd::Kind::Command,
                          tree.command_range, tree.command);
    if (tree.command.empty()) {
        const auto next = scan_.text().substr(begin);
        if (scan_.at_end()) {
            scan_.block({begin, begin}, "the name of a command is missing");
        } else {
            scan_.block({begin, begin + 1},
                        fmt::format("{}: a command's name comes first, not '{}'",
                                    place_of(scan_.text(), begin), escape_controls(cut_to_width(next, 1))));
        }
        return false;
    }
    if (inside != Inside::Transaction) tree.oob = scan_.take("!");
    const char next = scan_.peek();
    if (scan_.at_end() || is_space(next) || next == '{' || next == '|' || next == '(' || at_end_of(inside))
        return true;
    scan_.block({scan_.position(), scan_.position() + 1},
                fmt::format("{}: '{}' cannot stand here: a space follows a command's name",
                            place_of(scan_.text(), scan_.position()), next));
    return false;
}

void EntryReader::read_actions(Tree& tree) {
    const std::size_t begin = scan_.position();
    scan_.take("(");
    Node actions;
    actions.kind = Node::Kind::Array;
    for (;;) {
        scan_.skip_space();
        if (scan_.take(";")) continue;
        if (scan_.peek() == '#') {
            while (!scan_.at_end() && scan_.peek() != '\n') scan_.move_to(scan_.position() + 1);
            continue;
        }
        if (scan_.at_end() || scan_.peek() == ')' || scan_.blocked()) break;
        read_action(actions);
    }
    if (scan_.at_end() && !scan_.blocked() && scan_.at_end_place.kind == AtEnd::Kind::Nothing)
        scan_.reached_end(AtEnd::Kind::Action, {scan_.position(), scan_.position()});
    if (!scan_.take(")")) {
        scan_.unfinished = scan_.unfinished || scan_.at_end();
        scan_.block(scan_.range_from(begin),
                    fmt::format("{}: the '(' has no ')'", place_of(scan_.text(), begin)));
    }
    actions.where = scan_.range_from(begin);
    tree.arguments.members.push_back({"actions", actions.where, std::move(actions)});
}

/// An action is the type and the data of a TransactionAction.
void EntryReader::read_action(Node& actions) {
    Tree action;
    const std::size_t begin = scan_.position();
    if (!read_command_name(action, Inside::Transaction)) return;
    const auto outer = std::exchange(prefix_, {"actions", actions.elements.size(), "data"});
    while (!scan_.blocked()) {
        while (is_space(scan_.peek()) && scan_.peek() != '\n') scan_.move_to(scan_.position() + 1);
        if (scan_.at_end() && is_space(scan_.text().back())) {
            scan_.path = prefix_;
            scan_.reached_end(AtEnd::Kind::Name, {scan_.position(), scan_.position()});
        }
        if (at_end_of(Inside::Transaction) || scan_.peek() == '#') break;
        read_argument(action, Inside::Transaction);
    }
    prefix_ = outer;
    Node type;
    type.kind = Node::Kind::Quoted;
    type.where = action.command_range;
    type.text = action.command;
    Node element;
    element.where = scan_.range_from(begin);
    element.members.push_back({"type", action.command_range, std::move(type)});
    action.arguments.where = element.where;
    element.members.push_back({"data", action.command_range, std::move(action.arguments)});
    actions.elements.push_back(std::move(element));
}

void EntryReader::read_arguments(Tree& tree, Inside inside) {
    while (!scan_.blocked()) {
        skip_blanks(inside);
        if (scan_.at_end() && is_space(scan_.text().back())) {
            scan_.path = prefix_;
            scan_.reached_end(AtEnd::Kind::Name, {scan_.position(), scan_.position()});
        }
        const char next = scan_.peek();
        if (at_end_of(inside) || next == '|' || next == '#' || next == '&') return;
        if (inside == Inside::Substitution && next == '.') return;
        read_argument(tree, inside);
    }
}

/// One "name=value", or an object of all of them.
void EntryReader::read_argument(Tree& tree, Inside inside) {
    scan_.path = prefix_;
    if (scan_.peek() == '{') return merge_object(tree);
    Name name;
    if (!read_name(name, tree)) return;
    read_assignment(tree, std::move(name), inside);
}

void EntryReader::merge_object(Tree& tree) {
    Node object = scan_.read_object(Style::Typed);
    for (auto& member : object.members) {
        if (tree.arguments.member(member.name) != nullptr)
            scan_.block(member.where, fmt::format("'{}' is given twice", escape_controls(member.name)));
        else
            tree.arguments.members.push_back(std::move(member));
    }
    const char next = scan_.peek();
    if (!scan_.at_end() && !is_space(next) && next != ')' && next != ';' && next != '|')
        scan_.block({scan_.position(), scan_.position() + 1},
                    place_of(scan_.text(), scan_.position()) + ": a space is missing behind the object");
}

bool EntryReader::read_name(Name& name, const Tree& tree) {
    const std::size_t begin = scan_.position();
    for (;;) {
        const std::size_t part = scan_.position();
        scan_.path = prefix_;
        scan_.path.insert(scan_.path.end(), name.steps.begin(), name.steps.end());
        if (scan_.peek() == '"' || scan_.peek() == '\'') {
            const Node quoted = scan_.read_string(Style::Typed, AtEnd::Kind::Name, false);
            name.steps.emplace_back(quoted.text);
        } else {
            const std::string word(scan_.read_word(member_stops));
            if (scan_.at_end()) scan_.reached_end(AtEnd::Kind::Name, scan_.range_from(part), word);
            const auto number = name.steps.empty() ? std::nullopt : element_number(word);
            if (number)
                name.steps.emplace_back(*number);
            else
                name.steps.emplace_back(word);
            if (word.empty() && !scan_.at_end() && !scan_.starts_with("+=")) break;
        }
        if (!scan_.take(".")) break;
    }
    name.where = scan_.range_from(begin);
    const bool named = name.where.end > name.where.begin;
    if (named && (scan_.peek() == '=' || scan_.starts_with("+=") || scan_.starts_with(":=")) &&
        scan_.text()[name.where.end - 1] != '.')
        return true;
    if (scan_.blocked()) return false;
    const auto next = scan_.text().substr(scan_.position());
    if (!named) {
        scan_.block({begin, begin + 1},
                    fmt::format("{}: '{}' begins no argument", place_of(scan_.text(), begin),
                                escape_controls(cut_to_width(next, 1))),
                    "an argument is written name=value");
    } else {
        scan_.block(name.where,
                    fmt::format("'{}' is no argument of {}: it has no value",
                                escape_controls(scan_.since(begin)), escape_controls(tree.command)),
                    "an argument is written name=value");
    }
    return false;
}

void EntryReader::read_assignment(Tree& tree, Name name, Inside inside) {
    const bool appends = scan_.take("+=");
    const bool exact = !appends && scan_.take(":=");
    if (!appends && !exact) scan_.take("=");
    scan_.path = prefix_;
    scan_.path.insert(scan_.path.end(), name.steps.begin(), name.steps.end());
    if (appends) {
        const Node* array = find(tree.arguments, name.steps);
        name.steps.emplace_back(array == nullptr ? 0 : array->elements.size());
        scan_.path.push_back(name.steps.back());
    }
    const std::string_view stops = inside == Inside::Line ? "" : ";)";
    Node value = scan_.read_value(exact ? Style::Exact : Style::Typed, stops);
    if (exact) value.exact = true;
    const char next = scan_.peek();
    if (!scan_.blocked() && !scan_.at_end() && !is_space(next) && stops.find(next) == std::string_view::npos)
        scan_.block({scan_.position(), scan_.position() + 1},
                    place_of(scan_.text(), scan_.position()) + ": a space is missing behind the value");
    put(tree.arguments, name, std::move(value));
}

void EntryReader::put(Node& root, const Name& name, Node value) {
    Node* node = &root;
    for (std::size_t i = 0; i + 1 < name.steps.size(); ++i) {
        node = step_into(*node, name.steps, i, name);
        if (node == nullptr) return;
        node->where.end = std::max(node->where.end, value.where.end);
    }
    const auto written = escape_controls(qapi::to_string(name.steps));
    if (const auto* member = std::get_if<std::string>(&name.steps.back())) {
        if (node->member(*member) != nullptr)
            return scan_.block(name.where, fmt::format("'{}' is given twice", written));
        node->members.push_back({*member, name.where, std::move(value)});
        return;
    }
    const auto index = std::get<std::size_t>(name.steps.back());
    if (index < node->elements.size())
        return scan_.block(name.where, fmt::format("'{}' is given twice", written));
    if (index > node->elements.size())
        return scan_.block(name.where,
                           fmt::format("'{}' is given before the element in front of it", written),
                           fmt::format("the next one is number {}", node->elements.size()));
    node->elements.push_back(std::move(value));
}

/// The object or array at the next step, made if it is not there; null when something else is.
Node* EntryReader::step_into(Node& node, const qapi::Path& steps, std::size_t which, const Name& name) {
    Node fresh;
    const bool wants_array = std::holds_alternative<std::size_t>(steps[which + 1]);
    fresh.kind = wants_array ? Node::Kind::Array : Node::Kind::Object;
    fresh.where = name.where;
    Node* inner = nullptr;
    if (const auto* member = std::get_if<std::string>(&steps[which])) {
        if (node.member(*member) == nullptr) node.members.push_back({*member, name.where, std::move(fresh)});
        inner = node.member(*member);
    } else {
        const auto index = std::get<std::size_t>(steps[which]);
        if (index == node.elements.size()) node.elements.push_back(std::move(fresh));
        if (index < node.elements.size()) inner = &node.elements[index];
    }
    const auto outer = escape_controls(
        qapi::to_string({steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(which) + 1}));
    if (inner == nullptr) {
        scan_.block(name.where, fmt::format("'{}' is given before the element in front of it", outer));
    } else if (inner->kind != (wants_array ? Node::Kind::Array : Node::Kind::Object)) {
        scan_.block(name.where, fmt::format("'{}' has got another value already", outer));
        inner = nullptr;
    }
    return inner;
}

/// Pipes, "&", a comment.
void EntryReader::read_tail(Tree& tree, Inside inside) {
    while (!scan_.blocked()) {
        skip_blanks(inside);
        if (at_end_of(inside)) return;
        const std::size_t at = scan_.position();
        if (scan_.peek() == '#') {
            while (!scan_.at_end() && scan_.peek() != '\n') scan_.move_to(scan_.position() + 1);
        } else if (scan_.peek() == '|' || (inside == Inside::Substitution && scan_.peek() == '.')) {
            read_pipe(tree, inside);
        } else if (scan_.peek() == '&' && inside == Inside::Line && tree.kind == Tree::Kind::Request) {
            scan_.take("&");
            tree.background = true;
        } else {
            scan_.block({at, at + 1},
                        fmt::format("{}: '{}' cannot stand here", place_of(scan_.text(), at),
                                    escape_controls(cut_to_width(scan_.text().substr(at), 1))),
                        "what follows a command is a pipe (| .path, | grep TEXT), & or a comment (#)");
        }
    }
}

void EntryReader::read_pipe(Tree& tree, Inside inside) {
    scan_.take("|");
    skip_blanks(inside);
    const std::size_t begin = scan_.position();
    const auto text = scan_.text();
    const bool is_path = scan_.peek() == '.' || scan_.peek() == '[';
    std::size_t at = begin;
    while (at < text.size() && text[at] != '|' && text[at] != '\n' && !(is_path && is_space(text[at])) &&
           !(inside == Inside::Substitution && text[at] == ')')) {
        const bool is_quote = text[at] == '"' || text[at] == '\'';
        const bool opens = is_quote && (is_path ? opens_name(text[at - 1]) : opens_pattern(text, begin, at));
        const Quoted quoted = opens ? read_quoted(text, at) : Quoted{};
        at = quoted.closed ? quoted.end : at + 1;
        if (quoted.closed && !is_path) break;
    }
    scan_.move_to(at);
    if (scan_.at_end())
        scan_.reached_end(AtEnd::Kind::Pipe, scan_.range_from(begin), std::string(scan_.since(begin)));
    try {
        tree.pipes.push_back(parse_pipe_stage(scan_.since(begin)));
    } catch (const PipeError& error) {
        const std::size_t where = begin + error.at();
        scan_.block({where, std::max(at, where + 1)},
                    fmt::format("{}: {}", place_of(text, where), error.what()));
    }
}

std::shared_ptr<Request> EntryReader::read_substitution() {
    Tree tree;
    if (++depth_ > deepest_substitution) {
        scan_.block({scan_.position(), scan_.text().size()}, "this is nested too deeply");
        scan_.move_to(scan_.text().size());
        return std::make_shared<Request>();
    }
    const auto outer_prefix = std::exchange(prefix_, {});
    scan_.skip_space();
    read_request(tree, Inside::Substitution);
    prefix_ = outer_prefix;
    --depth_;
    if (scan_.blocked()) return std::make_shared<Request>();
    return std::make_shared<Request>(to_request(tree, vocabulary_, scan_.findings, guessed_));
}

}  // namespace qvm::shell
