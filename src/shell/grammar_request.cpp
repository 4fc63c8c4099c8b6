// SPDX-License-Identifier: GPL-3.0-or-later
// From what was written to what it means: types, and what the schema has to say.
#include <fmt/format.h>

#include "base/error.hpp"
#include "shell/argument_types.hpp"
#include "shell/grammar_check.hpp"
#include "shell/literal.hpp"

namespace qvm::shell {
namespace {

using qapi::Builtin;
using qapi::Type;

class Typer {
  public:
    Typer(const ArgumentTypes& types, bool& guessed) : types_(types), guessed_(guessed) {}

    Json convert_arguments(const Node& node) {
        Json arguments = Json::object();
        const TextOf text_of = texts_of(node);
        for (const auto& member : node.members) {
            path_.emplace_back(member.name);
            arguments[member.name] = convert(member.value, types_.type_of(member.name, text_of));
            path_.pop_back();
        }
        return arguments;
    }

    std::vector<Deferred> deferred;

  private:
    Json convert(const Node& node, const Type* type) {
        switch (node.kind) {
            case Node::Kind::Bare:
                if (node.exact) return literal(node.text, Digits::Any).value_or(Json(node.text));
                return typed(node.text, type, guessed_);
            case Node::Kind::Quoted:
                return node.text;
            case Node::Kind::Object:
                return convert_object(node, type);
            case Node::Kind::Array:
                return convert_array(node, type);
            case Node::Kind::File:
            case Node::Kind::Command:
                return defer(node, type);
        }
        return nullptr;
    }

    Json convert_object(const Node& node, const Type* type) {
        const TextOf text_of = texts_of(node);
        Json result = Json::object();
        for (const auto& member : node.members) {
            path_.emplace_back(member.name);
            result[member.name] = convert(member.value, type_of_member(type, member.name, text_of));
            path_.pop_back();
        }
        return result;
    }

    Json convert_array(const Node& node, const Type* type) {
        Json result = Json::array();
        for (const Node& element : node.elements) {
            path_.emplace_back(result.size());
            result.push_back(convert(element, type_of_element(type)));
            path_.pop_back();
        }
        return result;
    }

    Json defer(const Node& node, const Type* type) {
        Deferred later;
        later.where = path_;
        later.range = node.where;
        later.file = node.text;
        later.command = node.command;
        const auto* builtin = type == nullptr ? nullptr : std::get_if<Builtin>(&type->is);
        const bool is_text = (builtin != nullptr && *builtin == Builtin::String) ||
                             (type != nullptr && std::holds_alternative<qapi::Enum>(type->is));
        const bool unclear = type == nullptr || (builtin != nullptr && *builtin == Builtin::Any) ||
                             std::holds_alternative<qapi::Alternate>(type->is);
        later.form = node.exact ? Deferred::Form::Json
                     : is_text  ? Deferred::Form::Text
                     : unclear  ? Deferred::Form::Guess
                                : Deferred::Form::Json;
        guessed_ = guessed_ || (type == nullptr && !node.exact && node.kind == Node::Kind::File);
        deferred.push_back(std::move(later));
        return nullptr;
    }

    const ArgumentTypes& types_;
    bool& guessed_;
    qapi::Path path_;
};

Json& at(Json& root, const qapi::Path& path) {
    Json* value = &root;
    for (const auto& step : path) {
        if (const auto* name = std::get_if<std::string>(&step))
            value = &(*value)[*name];
        else
            value = &(*value)[std::get<std::size_t>(step)];
    }
    return *value;
}

}  // namespace

Request to_request(const Tree& tree, Vocabulary& vocabulary, std::vector<Finding>& findings, bool& guessed) {
    const ArgumentTypes types(tree.command, vocabulary);
    Typer typer(types, guessed);
    Request request;
    request.command = tree.command;
    request.oob = tree.oob;
    request.background = tree.background;
    request.pipes = tree.pipes;
    request.arguments = typer.convert_arguments(tree.arguments);
    request.deferred = std::move(typer.deferred);
    check_request(request, tree, types, findings);
    return request;
}

void fill_from_file(Request& request, const Deferred& deferred, std::string_view content) {
    Json value = std::string(content);
    if (deferred.form != Deferred::Form::Text) {
        Json parsed = Json::parse(content, nullptr, false);
        if (deferred.form == Deferred::Form::Json && parsed.is_discarded())
            throw Error(static_cast<ExitCode>(2), fmt::format("'{}' holds no JSON", deferred.file),
                        fmt::format("{} takes no text", qapi::to_string(deferred.where)));
        if (!parsed.is_discarded() && (deferred.form == Deferred::Form::Json || parsed.is_structured()))
            value = std::move(parsed);
    }
    at(request.arguments, deferred.where) = std::move(value);
}

void fill_from_reply(Request& request, const Deferred& deferred, const Json& reply) {
    const bool as_text = deferred.form == Deferred::Form::Text && !reply.is_string();
    at(request.arguments, deferred.where) = as_text ? Json(reply.dump()) : reply;
}

}  // namespace qvm::shell
