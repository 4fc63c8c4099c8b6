// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <array>
#include <variant>

#include <fmt/format.h>

#include "config/json_schema_parts.hpp"

namespace qvm::config::schema {
namespace {

using qapi::Builtin;
using qapi::Object;
using qapi::Type;

/// The raw tables: the command that makes their things, and its member that is the table's name.
struct Root {
    std::string_view table, command, id;
};
constexpr std::array<Root, 5> roots{{
    {"object", "object-add", "id"},
    {"chardev", "chardev-add", "id"},
    {"blockdev", "blockdev-add", "node-name"},
    {"netdev", "netdev_add", "id"},
    {"audiodev", "query-audiodevs", "id"},
}};

/// As check() takes an integer that is written as a string.
std::string integer_text() {
    return fmt::format("^-?[0-9]+$|{}", size_text);
}

Json nothing() {
    return Json::object({{"not", Json::object()}});
}

bool has_value(const qapi::Enum& type, std::string_view name) {
    return std::ranges::find(type.values, name, &qapi::EnumValue::name) != type.values.end();
}

/// What may stand in one place, put together choice by choice.
struct Place {
    bool string = false, boolean = false, only_false = false, table = false, list = false, any = false;
    bool integer = false, number = false;
    const qapi::Enum* words = nullptr;

    void take(Builtin builtin) {
        string = string || builtin == Builtin::String;
        number = number || builtin == Builtin::Number;
        integer = integer || builtin == Builtin::Integer;
        boolean = boolean || builtin == Builtin::Boolean;
        only_false = only_false || builtin == Builtin::Null;
        any = any || builtin == Builtin::Any;
    }

    Json to_json() const;
};

Json Place::to_json() const {
    Json schema = Json::object();
    if (any) return schema;
    const bool on_off = words != nullptr && has_value(*words, "on") && has_value(*words, "off");
    const bool scalar = string || boolean || only_false || integer || number || words != nullptr;
    Json types = Json::array();
    if (table) types.push_back("object");
    if (list) types.push_back("array");
    if (number) types.push_back("number");
    if (integer) types.push_back("integer");
    if (boolean || only_false || on_off) types.push_back("boolean");
    if (scalar) types.push_back("string");
    schema["type"] = types.size() == 1 ? types[0] : types;
    if (scalar && !string && words == nullptr)
        schema["pattern"] = pattern(integer ? integer_text() : std::string());
    if (only_false && !boolean) schema["not"] = Json::object({{"const", true}});
    if (words != nullptr && !string) {
        Json values = Json::array();
        for (const auto& value : words->values) values.push_back(value.name);
        allow_only(schema, values);
    }
    return schema;
}

class Maker {
  public:
    Maker(const qapi::Capabilities& qemu, Definitions& definitions)
        : qemu_(qemu), definitions_(definitions) {}

    void root(const Root& root) {
        const auto* type = qemu_.schema.described_by(root.command);
        const auto* object = type == nullptr ? nullptr : std::get_if<Object>(&type->is);
        const std::string name(root.table);
        if (object == nullptr) {  // a QEMU so odd that only itself can tell
            for (const auto& which : {name, "any." + name}) definitions_.set(which, Json::object());
            return;
        }
        Keys keys;
        if (name == "blockdev") {
            // Inside of others a node has a name, and not the keys that are qvm's.
            names_[type] = "node";
            Json inner = Json::object({{"allOf", Json::array({Definitions::ref(name)})}});
            for (const char* key : {"grow-to", "create", "ephemeral", "copy-of"})
                inner["properties"][key] = nothing();
            definitions_.set("node", std::move(inner));
            Place size;
            size.integer = true;
            keys.emplace_back("grow-to", size.to_json());
            size.boolean = true;
            keys.emplace_back("create", size.to_json());
            keys.emplace_back("ephemeral", Place{.boolean = true}.to_json());
            keys.emplace_back("copy-of", Json::object({{"type", "string"}, {"minLength", 1}}));
        }
        const auto ways = define(name, *object, keys, name == "blockdev" ? "" : root.id);
        if (object->tag.empty()) definitions_.set("any." + name, ways.to_json());
    }

  private:
    using Keys = std::vector<std::pair<std::string, Json>>;

    /// As it stands at a member; tables and long enums are referred to.
    Json of(const Type& type, const std::string& name) {
        if (const auto* array = std::get_if<qapi::Array>(&type.is)) {
            Json schema = Json::object({{"type", "array"}});
            schema["items"] = of(*array->element, name);
            return schema;
        }
        if (std::holds_alternative<qapi::Enum>(type.is)) return words(type, name);
        Place place;
        Json parts = Json::object();
        const auto* alternate = std::get_if<qapi::Alternate>(&type.is);
        for (const auto* choice : alternate != nullptr ? alternate->choices : std::vector<const Type*>{&type})
            add(*choice, name, place, parts);
        Json schema = place.to_json();
        if (!place.any) schema.update(parts);
        return schema;
    }

    void add(const Type& choice, const std::string& name, Place& place, Json& parts) {
        if (const auto* builtin = std::get_if<Builtin>(&choice.is)) place.take(*builtin);
        if (const auto* values = std::get_if<qapi::Enum>(&choice.is)) place.words = values;
        if (const auto* array = std::get_if<qapi::Array>(&choice.is)) {
            place.list = true;
            parts["items"] = of(*array->element, name);
        }
        if (const auto* object = std::get_if<Object>(&choice.is)) {
            place.table = true;
            parts["allOf"] = Json::array({Definitions::ref(name_of(choice, *object, name))});
        }
    }

    Json words(const Type& type, const std::string& name) {
        constexpr std::size_t few = 4;
        Place place;
        place.words = std::get_if<qapi::Enum>(&type.is);
        if (place.words->values.size() <= few) return place.to_json();
        const auto [known, fresh] = names_.try_emplace(&type, name);
        if (fresh) definitions_.set(name, place.to_json());
        return Definitions::ref(known->second);
    }

    std::string name_of(const Type& type, const Object& object, const std::string& name) {
        const auto [known, fresh] = names_.try_emplace(&type, name);
        const auto found = known->second;
        if (fresh) define(name, object, {}, {});
        return found;
    }

    Json of_member(const qapi::Member& member, const std::string& owner) {
        Json schema = of(*member.type, fmt::format("{}.{}", owner, member.name));
        if (!member.deprecated) return schema;
        if (schema.contains("$ref")) schema = Json::object({{"allOf", Json::array({std::move(schema)})}});
        schema["deprecated"] = true;
        return schema;
    }

    /// `keys` are there, too; `hidden` is not. All that may be in it, whatever its tag.
    Ways define(const std::string& name, const Object& object, Keys keys, std::string_view hidden) {
        for (const auto& member : object.members)
            if (member.name != hidden) keys.emplace_back(member.name, of_member(member, name));
        if (!object.tag.empty()) return define_union(name, object, keys);
        Ways ways;
        Json properties = Json::object();
        for (const auto& [key, schema] : keys) {
            properties[key] = schema;
            ways.add(key, schema);
        }
        definitions_.set(name, closed(std::move(properties)));
        return ways;
    }

    Ways define_union(const std::string& name, const Object& object, const Keys& keys) {
        const auto* tag = object.member(object.tag);
        const auto tag_values = values_of(tag, name);
        Json own = Json::object();
        own[object.tag] = of_tag(tag_values);
        Json all = Json::array({Json::object({{"properties", std::move(own)}})});
        Json shown = Json::object();
        offer(shown, Definitions::ref("any." + name));
        all.push_back(std::move(shown));
        all.push_back(without(object.tag, Definitions::ref("any." + name)));
        Ways ways;
        for (const auto& value : tag_values) {
            const auto* type = object.variant(value);
            const auto* branch = type == nullptr ? nullptr : std::get_if<Object>(&type->is);
            const auto branch_name = fmt::format("{}.{}", name, value);
            ways.add(define(branch_name, branch == nullptr ? Object() : *branch, keys, {}));
            all.push_back(when(object.tag, Json::array({value}), Definitions::ref(branch_name)));
        }
        definitions_.set("any." + name, ways.to_json());
        definitions_.set(name, Json::object({{"allOf", std::move(all)}}));
        return ways;
    }

    static Json of_tag(const std::vector<std::string>& values) {
        Json schema = Json::object({{"type", "string"}});
        allow_only(schema, Json(values));
        return schema;
    }

    /// The protocol knows types of objects that this binary was built without.
    std::vector<std::string> values_of(const qapi::Member* tag, const std::string& name) const {
        std::vector<std::string> values;
        const auto* words = tag == nullptr ? nullptr : std::get_if<qapi::Enum>(&tag->type->is);
        if (words == nullptr) return values;
        const auto& built = qemu_.object_types;
        for (const auto& value : words->values)
            if (name != "object" || built.empty() || std::ranges::find(built, value.name) != built.end())
                values.push_back(value.name);
        return values;
    }

    const qapi::Capabilities& qemu_;
    Definitions& definitions_;
    std::map<const Type*, std::string> names_;
};

}  // namespace

void define_qapi(const qapi::Capabilities& qemu, Definitions& definitions) {
    Maker maker(qemu, definitions);
    for (const auto& root : roots) maker.root(root);
}

}  // namespace qvm::config::schema
