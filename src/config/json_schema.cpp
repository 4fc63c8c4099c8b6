// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/json_schema.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/json_schema_parts.hpp"

namespace qvm::config {
namespace schema {
namespace {

/// What does not change what a value may be.
Json bare(Json schema) {
    for (const char* note : {"description", "default", "deprecated", "examples"}) schema.erase(note);
    return schema;
}

}  // namespace

std::string Definitions::plain(std::string_view name) {
    std::string text(name);
    const auto odd = [](char c) {
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                 c == '_' || c == '-');
    };
    std::ranges::replace_if(text, odd, '_');
    return text;
}

Json Definitions::ref(std::string_view name) {
    return Json::object({{"$ref", "#/definitions/" + plain(name)}});
}

const Json* Definitions::find(std::string_view name) const {
    const auto found = all_.find(plain(name));
    return found == all_.end() ? nullptr : &found->second;
}

void Definitions::share_properties() {
    constexpr std::size_t worth_it = 80;  // characters; a reference has some 50
    std::map<std::string, std::size_t> uses;
    const auto each = [this](const auto& visit) {
        for (auto& [name, schema] : all_)
            if (const auto properties = schema.find("properties"); properties != schema.end())
                for (const auto& [key, property] : properties->items()) visit(key, property);
    };
    each([&](const std::string& key, const Json& property) {
        if (auto text = property.dump(); text.size() >= worth_it) ++uses[key + ' ' + text];
    });
    std::map<std::string, std::string> names;
    std::map<std::string, std::size_t> taken;
    std::map<std::string, Json> shared;
    each([&](const std::string& key, Json& property) {
        const auto use = key + ' ' + property.dump();
        const auto count = uses.find(use);
        if (count == uses.end() || count->second < 2) return;
        auto& name = names[use];
        if (name.empty()) {
            const auto number = ++taken[plain(key)];
            name = fmt::format("property.{}{}", plain(key), number > 1 ? fmt::format(".{}", number) : "");
            shared[name] = property;
        }
        property = ref(name);
    });
    all_.merge(shared);
}

Json Definitions::to_json() const {
    Json json = Json::object();
    for (const auto& [name, schema] : all_) json.push_back({name, schema});
    return json;
}

void Ways::add(const std::string& key, const Json& schema) {
    auto& ways = keys_[key];
    if (std::ranges::find(ways, schema) == ways.end()) ways.push_back(schema);
}

void Ways::add(const Ways& others) {
    for (const auto& [key, ways] : others.keys_)
        for (const auto& way : ways) add(key, way);
}

Json Ways::to_json() const {
    Json properties = Json::object();
    for (const auto& [key, ways] : keys_) {
        Json different = Json::array();
        for (const auto& way : ways)
            if (auto plain = bare(way); std::ranges::find(different, plain) == different.end())
                different.push_back(std::move(plain));
        if (different.size() > 1)
            properties[key] = Json::object({{"anyOf", std::move(different)}});
        else
            properties[key] = ways.size() == 1 ? ways.front() : different.front();
    }
    return closed(std::move(properties));
}

Json closed(Json properties) {
    return Json::object({{"additionalProperties", false}, {"properties", std::move(properties)}});
}

Json pattern(std::string_view more) {
    return more.empty() ? std::string(variable) : fmt::format("{}|{}", more, variable);
}

void allow_only(Json& schema, const Json& values) {
    schema["if"] = Definitions::ref("text");
    schema["then"] = Json::object({{"enum", values}});
    offer(schema, schema["then"]);
}

void for_tables(Json& schema, Json then) {
    if (schema.contains("if")) {  // of text: a table goes on behind it
        schema["else"] = std::move(then);
        return;
    }
    schema["if"] = Json::object({{"type", "object"}});
    schema["then"] = std::move(then);
}

void offer(Json& schema, Json what) {
    if (schema.contains("anyOf"))
        schema["anyOf"].insert(schema["anyOf"].begin(), std::move(what));
    else
        schema["anyOf"] = Json::array({std::move(what), Json::object()});
}

Json when(std::string_view key, Json values, Json then) {
    Json test = values.size() == 1 ? Json::object({{"const", values[0]}})
                                   : Json::object({{"enum", std::move(values)}});
    Json properties = Json::object();
    properties[std::string(key)] = std::move(test);
    Json condition = Json::object();
    condition["required"] = Json::array({key});
    condition["properties"] = std::move(properties);
    return Json::object({{"if", std::move(condition)}, {"then", std::move(then)}});
}

Json without(std::string_view key, Json then) {
    Json required = Json::object();
    required["required"] = Json::array({key});
    Json condition = Json::object();
    condition["not"] = std::move(required);
    return Json::object({{"if", std::move(condition)}, {"then", std::move(then)}});
}

}  // namespace schema

std::vector<std::string> types_of_json_schema(const qapi::Capabilities& qemu) {
    std::vector<std::string> types = qemu.device_types;
    for (const auto& machine : qemu.machines) types.push_back(machine.name + "-machine");
    for (const auto& model : qemu.cpu_models) types.push_back(model.type);
    std::ranges::sort(types);
    types.erase(std::unique(types.begin(), types.end()), types.end());
    return types;
}

Json json_schema(const qapi::Capabilities& qemu) {
    schema::Definitions definitions;
    Json text = Json::object({{"type", "string"}});
    text["not"] = Json::object({{"pattern", schema::variable}});
    definitions.set("text", std::move(text));
    schema::define_qapi(qemu, definitions);
    const auto devices = schema::define_devices(qemu, definitions);
    schema::define_machines(qemu, definitions);
    schema::define_cpus(qemu, definitions);
    Json properties = schema::language(qemu, schema::globals(qemu, devices), definitions);
    definitions.share_properties();

    Json document = Json::object();
    document["$schema"] = "http://json-schema.org/draft-07/schema#";
    document["title"] = fmt::format("qvm's vm.toml for QEMU {} ({})", qemu.version.to_string(), qemu.arch);
    document["description"] = "What a file may say; `qvm check` tells whether it makes a VM.";
    document["type"] = "object";
    document["additionalProperties"] = false;
    document["properties"] = std::move(properties);
    document["definitions"] = definitions.to_json();
    return document;
}

}  // namespace qvm::config
