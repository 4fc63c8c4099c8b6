// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/grammar_check.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::shell {
namespace {

using qapi::Problem;
using qapi::ProblemKind;

/// Names listed in a hint.
constexpr std::size_t listed = 10;

std::string list(const std::vector<std::string>& names) {
    if (names.size() <= listed) return join_or(names);
    std::string text;
    for (std::size_t i = 0; i < listed; ++i) text += names[i] + ", ";
    return text + "...";
}

/// The way without its last step.
qapi::Path parent(const qapi::Path& path) {
    return {path.begin(), path.empty() ? path.end() : path.end() - 1};
}

std::string last_name(const qapi::Path& path) {
    const auto* name = path.empty() ? nullptr : std::get_if<std::string>(&path.back());
    return name == nullptr ? std::string() : *name;
}

class Checker {
  public:
    Checker(const Node& arguments, Range command, std::vector<Finding>& findings)
        : arguments_(arguments), command_(command), findings_(findings) {}

    void add(const Problem& problem) {
        const auto name = escape_controls(qapi::to_string(problem.path));
        switch (problem.kind) {
            case ProblemKind::UnknownMember:
                return add_unknown(problem);
            case ProblemKind::MissingMember:
                return warn(place_of_object(parent(problem.path)), fmt::format("'{}' is missing", name));
            case ProblemKind::NotInEnum:
                return warn(place_of_value(problem.path),
                            fmt::format("'{}' {}", name, escape_controls(problem.message)), hint(problem));
            case ProblemKind::WrongType:
            case ProblemKind::BadSize:
            case ProblemKind::OutOfRange:
                return warn(place_of_value(problem.path), fmt::format("'{}' {}", name, problem.message),
                            problem.nearest.empty() ? "" : fmt::format("write {}", problem.nearest));
            case ProblemKind::Deprecated:
            case ProblemKind::Unstable:
                return;  // no mistake: completion tells it
        }
    }

    void warn(Range where, std::string message, std::string said_hint = {}) {
        findings_.push_back({where, false, std::move(message), std::move(said_hint)});
    }

    Range place_of_member(const qapi::Path& path) const {
        const Node* object = find(arguments_, parent(path));
        if (object != nullptr)
            for (const auto& member : object->members)
                if (member.name == last_name(path)) return member.where;
        return place_of_object(parent(path));
    }

  private:
    void add_unknown(const Problem& problem) {
        const auto name = escape_controls(last_name(problem.path));
        const auto object = escape_controls(qapi::to_string(parent(problem.path)));
        const auto what = object.empty() ? fmt::format("there is no argument '{}'", name)
                                         : fmt::format("'{}' has no member '{}'", object, name);
        warn(place_of_member(problem.path), what, hint(problem));
    }

    static std::string hint(const Problem& problem) {
        if (!problem.nearest.empty()) return fmt::format("did you mean '{}'?", problem.nearest);
        if (problem.allowed.empty()) return problem.kind == ProblemKind::UnknownMember ? "it takes none" : "";
        return "possible: " + list(problem.allowed);
    }

    Range place_of_value(const qapi::Path& path) const {
        const Node* node = find(arguments_, path);
        return node == nullptr ? place_of_object(parent(path)) : node->where;
    }
    Range place_of_object(const qapi::Path& path) const {
        const Node* node = path.empty() ? nullptr : find(arguments_, path);
        return node == nullptr ? command_ : node->where;
    }

    const Node& arguments_;
    Range command_;
    std::vector<Finding>& findings_;
};

bool starts_with(const qapi::Path& path, const qapi::Path& beginning) {
    return path.size() >= beginning.size() && std::equal(beginning.begin(), beginning.end(), path.begin());
}

/// What cannot be judged before the rest of it has come.
bool is_deferred(const Request& request, const qapi::Path& path) {
    return std::ranges::any_of(request.deferred,
                               [&](const Deferred& later) { return starts_with(path, later.where); });
}

/// A downstream extension, which introspection need not know (qvm's own among them).
bool is_extension(const std::string& name) {
    return name.starts_with("__");
}

bool check_command(const std::string& name, Range where, Vocabulary& vocabulary,
                   std::vector<Finding>& findings) {
    std::vector<std::string> names = vocabulary.command_names();
    const qapi::Schema* schema = vocabulary.schema();
    if (schema != nullptr && schema->command(name) != nullptr) return true;
    if (schema != nullptr && names.empty()) names = schema->command_names();
    if (names.empty() || is_extension(name) || std::ranges::find(names, name) != names.end()) return false;
    findings.push_back({where, false, fmt::format("there is no command '{}'", escape_controls(name)),
                        did_you_mean(name, names)});
    return false;
}

/// Properties that the schema does not tell of.
void check_properties(const Request& request, const ArgumentTypes& types, const Problem& problem,
                      Checker& checker) {
    const auto name = last_name(problem.path);
    const TextOf text_of = texts_of(request.arguments);
    const auto driver = text_of("driver");
    if (!driver) return;
    if (const qapi::Type* type = types.beyond_schema(name, text_of)) {
        std::vector<Problem> problems;
        qapi::validate(*type, request.arguments.at(name), qapi::Leniency::Exact, problems);
        for (Problem& found : problems) {
            found.path.insert(found.path.begin(), name);
            checker.add(found);
        }
        return;
    }
    const auto known = types.vocabulary().names(NameKind::DeviceProperty, *driver);
    if (!known || known->empty() || std::ranges::find(*known, name) != known->end()) return;
    checker.warn(checker.place_of_member(problem.path),
                 fmt::format("'{}' has no property '{}'", escape_controls(*driver), escape_controls(name)),
                 did_you_mean(name, *known));
}

/// qom-set's value, which is any to the schema.
void check_value(const Request& request, const ArgumentTypes& types, Checker& checker) {
    const auto value = request.arguments.find("value");
    const qapi::Type* type = types.beyond_schema("value", texts_of(request.arguments));
    if (type == nullptr || value == request.arguments.end()) return;
    std::vector<Problem> problems;
    qapi::validate(*type, *value, qapi::Leniency::Exact, problems);
    for (Problem& found : problems) {
        found.path.insert(found.path.begin(), std::string("value"));
        if (!is_deferred(request, found.path)) checker.add(found);
    }
}

void sort_by_place(std::vector<Finding>& findings) {
    std::ranges::stable_sort(findings, {}, [](const Finding& finding) { return finding.where.begin; });
}

}  // namespace

void check_request(const Request& request, const Tree& tree, const ArgumentTypes& types,
                   std::vector<Finding>& findings) {
    if (!check_command(tree.command, tree.command_range, types.vocabulary(), findings)) return;
    const qapi::Command& command = *types.command();
    if (request.oob && !command.allow_oob)
        findings.push_back({tree.command_range, false,
                            fmt::format("'{}' does not run out of band", command.name), "leave out the '!'"});
    Checker checker(tree.arguments, tree.command_range, findings);
    std::vector<Problem> problems;
    qapi::validate_arguments(command, request.arguments, qapi::Leniency::Exact, problems);
    for (const Problem& problem : problems) {
        if (is_deferred(request, problem.path)) continue;
        if (problem.kind == ProblemKind::UnknownMember && problem.path.size() == 1 && types.is_open())
            check_properties(request, types, problem, checker);
        else
            checker.add(problem);
    }
    if (command.name == "qom-set") check_value(request, types, checker);
    sort_by_place(findings);
}

void check_raw(const RawMessage& message, const Tree& tree, Vocabulary& vocabulary,
               std::vector<Finding>& findings) {
    const Node& root = tree.arguments;
    const bool oob = message.object.contains("exec-oob");
    const std::string key = oob ? "exec-oob" : "execute";
    const Node* name = root.member(key);
    if (name == nullptr || name->kind != Node::Kind::Quoted) {
        findings.push_back({root.where, false,
                            "this is no QMP command: it has no \"execute\" with a command's name",
                            R"(as in {"execute": "query-status"})"});
        return;
    }
    for (const auto& member : root.members) {
        if (member.name == key || member.name == "arguments" || member.name == "id") continue;
        findings.push_back({member.where, false,
                            fmt::format("a QMP command has no member '{}'", escape_controls(member.name)),
                            "it has execute or exec-oob, arguments and id"});
    }
    Tree command;
    command.command = name->text;
    command.command_range = name->where;
    if (const Node* arguments = root.member("arguments")) command.arguments = *arguments;
    Request request;
    request.command = name->text;
    request.oob = oob;
    if (message.object.contains("arguments")) request.arguments = message.object.at("arguments");
    check_request(request, command, ArgumentTypes(name->text, vocabulary), findings);
    sort_by_place(findings);
}

}  // namespace qvm::shell
