// SPDX-License-Identifier: GPL-3.0-or-later
#include "qapi/schema.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "qapi/schema_impl.hpp"

namespace qvm::qapi {
namespace {

[[noreturn]] void malformed(const std::string& why) {
    throw Error(ExitCode::HostCannot, "QEMU's answer to query-qmp-schema is malformed: " + why);
}

const Json& member_of(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end()) malformed(fmt::format("an entity has no '{}'", name));
    return *found;
}

const std::string& string_of(const Json& object, const char* name) {
    const Json& member = member_of(object, name);
    if (!member.is_string()) malformed(fmt::format("'{}' is not a string", name));
    return member.get_ref<const std::string&>();
}

const Json& array_of(const Json& object, const char* name) {
    const Json& member = member_of(object, name);
    if (!member.is_array()) malformed(fmt::format("'{}' is not an array", name));
    for (const Json& element : member)
        if (!element.is_object() && !element.is_string()) malformed(fmt::format("bad element of '{}'", name));
    return member;
}

bool has_feature(const Json& entity, std::string_view name) {
    const auto features = entity.find("features");
    if (features == entity.end() || !features->is_array()) return false;
    return std::any_of(features->begin(), features->end(), [&](const Json& f) { return f == name; });
}

Builtin builtin_of(const std::string& json_type) {
    if (json_type == "string") return Builtin::String;
    if (json_type == "number") return Builtin::Number;
    if (json_type == "int") return Builtin::Integer;
    if (json_type == "boolean") return Builtin::Boolean;
    if (json_type == "null") return Builtin::Null;
    if (json_type == "value") return Builtin::Any;
    malformed(fmt::format("unknown builtin type '{}'", json_type));
}

Enum enum_of(const Json& entity) {
    Enum result;
    if (entity.contains("members")) {
        for (const Json& m : array_of(entity, "members"))
            result.values.push_back(
                {string_of(m, "name"), has_feature(m, "deprecated"), has_feature(m, "unstable")});
    } else {  // before QEMU 6.2
        for (const Json& value : array_of(entity, "values")) {
            if (!value.is_string()) malformed("an enum value is not a string");
            result.values.push_back({value.get<std::string>(), false, false});
        }
    }
    return result;
}

/// Makes types out of an introspection's entities.
class Builder {
  public:
    Builder(const Json& introspection, std::deque<Type>& types);
    /// The type called `name`, made when it is first asked for. Its address is known before its members are,
    /// because types are recursive.
    const Type* type(const std::string& name);

  private:
    void fill(Type& type, const Json& entity);
    Object object_of(const Json& entity);

    std::map<std::string, const Json*, std::less<>> entities_;
    std::map<std::string, const Type*, std::less<>> by_name_;
    std::deque<Type>& types_;
};

Builder::Builder(const Json& introspection, std::deque<Type>& types) : types_(types) {
    if (!introspection.is_array()) malformed("it is not an array");
    for (const Json& entity : introspection) {
        if (!entity.is_object()) malformed("an entity is not an object");
        entities_.emplace(string_of(entity, "name"), &entity);
    }
}

const Type* Builder::type(const std::string& name) {
    if (const auto known = by_name_.find(name); known != by_name_.end()) return known->second;
    const auto entity = entities_.find(name);
    if (entity == entities_.end()) malformed(fmt::format("type '{}' is not described", name));
    Type& made = types_.emplace_back();
    by_name_.emplace(name, &made);
    fill(made, *entity->second);
    return &made;
}

void Builder::fill(Type& type, const Json& entity) {
    const std::string& meta = string_of(entity, "meta-type");
    if (meta == "builtin") {
        type.is = builtin_of(string_of(entity, "json-type"));
    } else if (meta == "enum") {
        type.is = enum_of(entity);
    } else if (meta == "array") {
        type.is = Array{this->type(string_of(entity, "element-type"))};
    } else if (meta == "alternate") {
        Alternate alternate;
        for (const Json& choice : array_of(entity, "members"))
            alternate.choices.push_back(this->type(string_of(choice, "type")));
        type.is = std::move(alternate);
    } else if (meta == "object") {
        type.is = object_of(entity);
    } else {
        malformed(fmt::format("'{}' is not a kind of type", meta));
    }
}

Object Builder::object_of(const Json& entity) {
    Object object;
    for (const Json& m : array_of(entity, "members"))
        object.members.push_back({string_of(m, "name"), type(string_of(m, "type")), m.contains("default"),
                                  has_feature(m, "deprecated"), has_feature(m, "unstable")});
    if (!entity.contains("tag")) return object;
    object.tag = string_of(entity, "tag");
    for (const Json& v : array_of(entity, "variants"))
        object.variants.push_back({string_of(v, "case"), type(string_of(v, "type"))});
    return object;
}

}  // namespace

const Member* Object::member(std::string_view name) const {
    for (const Member& m : members)
        if (m.name == name) return &m;
    return nullptr;
}

const Type* Object::variant(std::string_view tag_value) const {
    for (const Variant& v : variants)
        if (v.tag_value == tag_value) return v.type;
    return nullptr;
}

Schema::Schema() : impl_(std::make_unique<Impl>()) {}
Schema::Schema(Schema&&) noexcept = default;
Schema& Schema::operator=(Schema&&) noexcept = default;
Schema::~Schema() = default;

Schema Schema::parse(const Json& introspection) {
    Schema schema;
    Impl& impl = *schema.impl_;
    Builder builder(introspection, impl.types);
    for (const Json& entity : introspection) {
        const std::string& meta = string_of(entity, "meta-type");
        const std::string& name = string_of(entity, "name");
        const bool deprecated = has_feature(entity, "deprecated");
        const bool unstable = has_feature(entity, "unstable");
        if (meta == "command") {
            const auto oob = entity.find("allow-oob");
            const Type* arguments = builder.type(string_of(entity, "arg-type"));
            if (!std::holds_alternative<Object>(arguments->is))
                malformed("a command's arguments are no object");
            impl.commands.emplace(name, Command{name, arguments, builder.type(string_of(entity, "ret-type")),
                                                oob != entity.end() && *oob == true, deprecated, unstable});
            impl.command_names.push_back(name);
        } else if (meta == "event") {
            impl.events.emplace(
                name, Event{name, builder.type(string_of(entity, "arg-type")), deprecated, unstable});
            impl.event_names.push_back(name);
        }
    }
    return schema;
}

const Command* Schema::command(std::string_view name) const {
    const auto found = impl_->commands.find(name);
    return found == impl_->commands.end() ? nullptr : &found->second;
}

const Type* Schema::described_by(std::string_view name) const {
    const Command* found = command(name);
    if (found == nullptr) return nullptr;
    if (!name.starts_with("query-")) return found->arguments;
    const auto* list = found->returns == nullptr ? nullptr : std::get_if<Array>(&found->returns->is);
    return list == nullptr ? nullptr : list->element;
}

const Event* Schema::event(std::string_view name) const {
    const auto found = impl_->events.find(name);
    return found == impl_->events.end() ? nullptr : &found->second;
}

const std::vector<std::string>& Schema::command_names() const {
    return impl_->command_names;
}
const std::vector<std::string>& Schema::event_names() const {
    return impl_->event_names;
}

}  // namespace qvm::qapi
