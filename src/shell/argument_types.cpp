// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/argument_types.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "shell/literal.hpp"

namespace qvm::shell {
namespace {

using qapi::Builtin;
using qapi::Type;

bool has_builtin(const qapi::Alternate& type, Builtin builtin) {
    return std::ranges::any_of(type.choices, [&](const Type* choice) {
        const auto* is = std::get_if<Builtin>(&choice->is);
        return is != nullptr && *is == builtin;
    });
}

bool has_enum_value(const qapi::Alternate& type, std::string_view word) {
    return std::ranges::any_of(type.choices, [&](const Type* choice) {
        const auto* values = std::get_if<qapi::Enum>(&choice->is);
        return values != nullptr &&
               std::ranges::find(values->values, word, &qapi::EnumValue::name) != values->values.end();
    });
}

Json by_looks(std::string_view word) {
    if (auto value = literal(word, Digits::Any)) return *value;
    return std::string(word);
}

Json as_builtin(std::string_view word, Builtin type) {
    switch (type) {
        case Builtin::String:
            break;
        case Builtin::Integer:
            if (auto number = integer(word)) return *number;
            break;
        case Builtin::Number:
            if (auto number = literal(word, Digits::Any); number && number->is_number()) return *number;
            break;
        case Builtin::Boolean:
            if (const auto value = truth(word)) return *value;
            break;
        case Builtin::Null:
            if (word == "null") return nullptr;
            break;
        case Builtin::Any:
            return by_looks(word);
    }
    return std::string(word);
}

Json as_choice(std::string_view word, const qapi::Alternate& type) {
    if (word == "null" && has_builtin(type, Builtin::Null)) return nullptr;
    if (has_enum_value(type, word)) return std::string(word);
    for (const auto builtin : {Builtin::Boolean, Builtin::Integer, Builtin::Number}) {
        if (!has_builtin(type, builtin)) continue;
        Json value = as_builtin(word, builtin);
        if (!value.is_string()) return value;
    }
    return std::string(word);
}

const Type* any_type() {
    static const Type any{Builtin::Any};
    return &any;
}

/// The type itself, or the choice of an alternate.
template <typename Wanted>
const Wanted* choice_in(const Type& type) {
    if (const auto* alternate = std::get_if<qapi::Alternate>(&type.is)) {
        for (const Type* choice : alternate->choices)
            if (const auto* wanted = std::get_if<Wanted>(&choice->is)) return wanted;
    }
    return std::get_if<Wanted>(&type.is);
}

std::optional<std::string> text_in(const Json& object, const std::string& member) {
    const auto found = object.is_object() ? object.find(member) : object.end();
    if (found == object.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
}

}  // namespace

TextOf texts_of(const Node& object) {
    return [&object](const std::string& name) -> std::optional<std::string> {
        const Node* member = object.member(name);
        if (member == nullptr || (member->kind != Node::Kind::Bare && member->kind != Node::Kind::Quoted))
            return std::nullopt;
        return member->text;
    };
}

TextOf texts_of(const Json& object) {
    return [&object](const std::string& name) { return text_in(object, name); };
}

std::vector<const qapi::Object*> parts_of(const qapi::Object& type, const TextOf& text_of) {
    std::vector<const qapi::Object*> parts{&type};
    while (!parts.back()->tag.empty()) {
        const auto value = text_of(parts.back()->tag);
        const Type* branch = value ? parts.back()->variant(*value) : nullptr;
        const auto* object = branch == nullptr ? nullptr : std::get_if<qapi::Object>(&branch->is);
        if (object == nullptr) break;
        parts.push_back(object);
    }
    return parts;
}

const qapi::Member* find_member(const std::vector<const qapi::Object*>& parts, std::string_view name) {
    for (const qapi::Object* part : parts)
        if (const qapi::Member* member = part->member(name)) return member;
    return nullptr;
}

const Type* type_of_property(std::string_view word, std::string_view property) {
    static const Type string{Builtin::String};
    static const Type whole{Builtin::Integer};
    static const Type number{Builtin::Number};
    static const Type boolean{Builtin::Boolean};
    if (word.empty()) return nullptr;
    if (word == "bool") return &boolean;
    if (word == "double" || word == "number") return &number;
    if (word == "any" || word.starts_with("struct") || word.starts_with("list")) return any_type();
    // QEMU says int32 of a PCI address, and reads "4" as slot 4 but 4 as slot 0, function 4.
    if (property == "addr") return &string;
    const bool is_size = word == "int" || word == "size";
    const bool has_width = word.starts_with("int") || word.starts_with("uint");
    return is_size || has_width ? &whole : &string;
}

const qapi::Object* object_in(const Type* type) {
    return type == nullptr ? nullptr : choice_in<qapi::Object>(*type);
}

const Type* type_of_member(const Type* type, const std::string& member, const TextOf& text_of) {
    if (type == nullptr) return nullptr;
    const auto* object = object_in(type);
    const auto* known = object == nullptr ? nullptr : find_member(parts_of(*object, text_of), member);
    return known == nullptr ? any_type() : known->type;
}

const Type* type_of_element(const Type* type) {
    if (type == nullptr) return nullptr;
    const auto* array = choice_in<qapi::Array>(*type);
    return array == nullptr ? any_type() : array->element;
}

ArgumentTypes::ArgumentTypes(std::string command, Vocabulary& vocabulary)
    : name_(std::move(command)), vocabulary_(&vocabulary) {
    if (const qapi::Schema* schema = vocabulary.schema()) command_ = schema->command(name_);
}

const Type* ArgumentTypes::type_of(const std::string& argument, const TextOf& text_of) const {
    if (const Type* type = beyond_schema(argument, text_of)) return type;
    if (command_ == nullptr || (name_ == "qom-set" && argument == "value")) return nullptr;
    const auto* known = find_member(parts_of(*object_in(command_->arguments), text_of), argument);
    if (known != nullptr) return known->type;
    return is_open() ? nullptr : any_type();
}

const Type* ArgumentTypes::beyond_schema(const std::string& member, const TextOf& text_of) const {
    if (name_ == "device_add") {
        const auto driver = text_of("driver");
        return driver ? type_of_property(vocabulary_->property_type(*driver, member), member) : nullptr;
    }
    if (name_ == "qom-set" && member == "value") {
        const auto path = text_of("path");
        const auto property = text_of("property");
        if (path && property)
            return type_of_property(vocabulary_->property_type(*path, *property), *property);
    }
    return nullptr;
}

Json typed(std::string_view word, const Type* type, bool& guessed) {
    if (type == nullptr) {
        Json value = by_looks(word);
        guessed = guessed || !value.is_string() || integer(word) || truth(word);
        return value;
    }
    if (const auto* builtin = std::get_if<Builtin>(&type->is)) return as_builtin(word, *builtin);
    if (const auto* alternate = std::get_if<qapi::Alternate>(&type->is)) return as_choice(word, *alternate);
    if (std::holds_alternative<qapi::Enum>(type->is)) return std::string(word);
    return by_looks(word);
}

}  // namespace qvm::shell
