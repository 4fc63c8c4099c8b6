// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "config/json_schema_parts.hpp"
#include "config/key_docs.hpp"
#include "config/toml_reader.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config::schema {
namespace {

using namespace takes;

constexpr std::string_view duration_text = "^-?[0-9]+(ms|s|m|h)$";
constexpr std::string_view percent_text = "^[0-9.][0-9.eE+-]*%$";
constexpr const char* sugar_id = "^[a-z][a-z0-9-]{0,19}$";
constexpr const char* number_id = "^(0|[1-9][0-9]{0,2})$";
constexpr const char* raw_id = "^[A-Za-z][A-Za-z0-9._-]*$";
constexpr const char* node_id = "^[A-Za-z][A-Za-z0-9._-]{0,30}$";

/// What an example says of the key at `path`, which has no id: "disk.cache".
std::optional<Json> said_in(std::string_view example, const TableRule& rule, std::string_view path) {
    Diagnostics ignored;
    auto root = read_toml(example, Positions({}, example), ignored);
    if (!root) return std::nullopt;
    expand_short_forms(*root);
    const bool has_id = rule.shape == Shape::Named || rule.shape == Shape::Raw;
    const Value* value = root->find(rule.name);
    path.remove_prefix(std::min(path.size(), rule.name.size() + 1));
    if (has_id && value != nullptr)
        value = value->table() == nullptr || value->table()->empty()
                    ? nullptr
                    : &value->table()->entries().front().value;
    while (!path.empty() && value != nullptr) {
        const auto part = path.substr(0, path.find('.'));
        path.remove_prefix(std::min(path.size(), part.size() + 1));
        value = value->table() == nullptr ? nullptr : value->table()->find(part);
    }
    return value == nullptr ? std::nullopt : std::optional(config::to_json(*value));
}

/// Of a word that says the default and nothing more.
std::optional<Json> default_of(const KeyRule& rule, std::string_view words) {
    if ((rule.takes & boolean) != 0 && (words == "true" || words == "false")) return words == "true";
    if (std::ranges::find(rule.words, words) != rule.words.end()) return Json(words);
    if ((rule.takes & size) != 0 && std::holds_alternative<std::uint64_t>(parse_size(words)))
        return Json(words);
    if ((rule.takes & duration) != 0 && !std::holds_alternative<std::string>(parse_duration(words)))
        return Json(words);
    std::int64_t number = 0;
    const auto* end = words.data() + words.size();
    const auto [rest, error] = std::from_chars(words.data(), end, number);
    if ((rule.takes & integer) != 0 && error == std::errc() && rest == end) return Json(number);
    return std::nullopt;
}

class Language {
  public:
    Language(const qapi::Capabilities& qemu, Definitions& definitions)
        : qemu_(qemu), definitions_(definitions) {}

    Json properties(Json globals) {
        definitions_.set("global", table_or_off());
        Json all = Json::object();
        for (const auto& rule : vocabulary()) {
            const std::string name(rule.name);
            if (rule.name == "global")
                all[name] = names_of_qemu(rule, std::move(globals));
            else if (rule.name == "option")
                all[name] = names_of_qemu(rule, option_tables());
            else
                all[name] = of_table(rule);
        }
        return all;
    }

  private:
    /// What [X.ID] may be beside a table: false, or a variable that says so.
    static Json off() {
        return Json::object({{"pattern", pattern()}, {"not", Json::object({{"const", true}})}});
    }

    static Json table_or_off() {
        Json schema = Json::object({{"type", Json::array({"object", "boolean", "string"})}});
        schema.update(off());
        return schema;
    }

    Json of_table(const TableRule& rule) {
        switch (rule.shape) {
            case Shape::Plain:
                return of_key(rule, rule.keys.front(), std::string(rule.name));
            case Shape::Single: {
                Json schema = of_single(rule);
                document(schema, rule, std::string(rule.name), nullptr);
                return schema;
            }
            case Shape::Named:
                return named(rule, rule.numbered ? number_id : sugar_id, of_single(rule));
            case Shape::Raw:
                return named(rule, rule.name == "blockdev" ? node_id : raw_id, of_raw(rule));
            case Shape::List: {
                Json schema = Json::object({{"type", "array"}});
                document(schema, rule, std::string(rule.name), nullptr);
                schema["items"] = Json::object({{"type", "object"}});
                schema["items"].update(closed(keys(rule, rule.keys, std::string(rule.name))));
                return schema;
            }
        }
        return Json::object();
    }

    Json named(const TableRule& rule, const char* id, Json one) {
        Json schema = Json::object({{"type", "object"}});
        document(schema, rule, std::string(rule.name), nullptr);
        schema["additionalProperties"] = false;
        schema["patternProperties"][id] = std::move(one);
        return schema;
    }

    Json names_of_qemu(const TableRule& rule, Json tables) {
        Json schema = Json::object({{"type", "object"}});
        document(schema, rule, std::string(rule.name), nullptr);
        schema["additionalProperties"] = false;
        schema["properties"] = std::move(tables);
        return schema;
    }

    Json option_tables() {
        Json tables = options(qemu_);
        for (auto& [name, parameters] : tables.items()) {
            Json one = table_or_off();
            one["type"].push_back("array");
            one["items"] = Json::object({{"type", "object"}});
            if (!parameters.empty()) {
                definitions_.set("option." + name, parameters);
                one["items"]["allOf"] = Json::array({Definitions::ref("option." + name)});
                for_tables(one, Definitions::ref("option." + name));
            }
            parameters = std::move(one);
        }
        return tables;
    }

    Json of_raw(const TableRule& rule) {
        Json schema = table_or_off();
        const std::string name(rule.name);
        if (!rule.open) {
            schema.update(closed(keys(rule, rule.keys, name)));
        } else if (definitions_.find(name) != nullptr) {
            for_tables(schema, Definitions::ref(name));
            offer(schema, Definitions::ref("any." + name));
        }
        if (rule.name == "blockdev")
            schema["properties"] = Json::object({{"node-name", Json::object({{"not", Json::object()}})}});
        return schema;
    }

    /// [machine], or one of [disk.X].
    Json of_single(const TableRule& rule) {
        const std::string name(rule.name);
        Json schema = Json::object({{"type", Json::array()}});
        const auto* short_key = rule.short_key.empty() ? nullptr : key_rule(rule, rule.short_key);
        if (short_key != nullptr) {
            KeyRule alone = *short_key;
            alone.takes = rule.short_takes | (short_key->takes & as_path);
            schema = of_value(rule, alone, fmt::format("{}.{}", name, rule.short_key));
        }
        Json types = Json::array({"object"});
        const Json said = schema["type"];
        if (!said.is_array()) types.push_back(said);
        if (said.is_array()) types.insert(types.end(), said.begin(), said.end());
        if (rule.switchable) types.push_back("boolean");
        if (rule.switchable && rule.short_takes == 0) {
            types.push_back("string");
            schema["pattern"] = pattern();
        }
        schema["type"] = types.size() == 1 ? types[0] : types;
        Json properties = keys(rule, rule.keys, name);
        if (name == "vars") return of_variables();
        if (!rule.open) {
            schema.update(closed(std::move(properties)));
        } else if (const auto* object = definitions_.find("object." + name)) {
            for (const auto& [key, member] : object->at("properties").items())
                if (key != "qom-type") properties[key] = member;
            schema.update(closed(std::move(properties)));
        } else {
            schema["properties"] = std::move(properties);
            if (definitions_.find(name) != nullptr) {
                for_tables(schema, Definitions::ref(name));
                offer(schema, Definitions::ref("any." + name));
            }
        }
        return schema;
    }

    static Json of_variables() {
        Json schema = Json::object({{"type", "object"}});
        schema["propertyNames"] = Json::object(
            {{"pattern", "^[^${}:]*$"}, {"not", Json::object({{"enum", Json::array({"dir", "name"})}})}});
        schema["additionalProperties"] =
            Json::object({{"type", Json::array({"string", "number", "boolean"})}});
        return schema;
    }

    Json keys(const TableRule& table, std::span<const KeyRule> rules, const std::string& path) {
        Json properties = Json::object();
        for (const auto& rule : rules)
            properties[std::string(rule.name)] = of_key(table, rule, fmt::format("{}.{}", path, rule.name));
        return properties;
    }

    Json of_key(const TableRule& table, const KeyRule& rule, const std::string& path) {
        Json schema = of_value(table, rule, path);
        document(schema, table, path, &rule);
        return schema;
    }

    Json of_value(const TableRule& owner, const KeyRule& rule, const std::string& path) {
        const auto says = [&](unsigned bit) { return (rule.takes & bit) != 0; };
        const bool scalar = says(string | integer | size | duration | processors | boolean);
        Json types = Json::array();
        if (says(integer | size)) types.push_back("integer");
        if (says(processors)) types.push_back("number");
        if (says(boolean)) types.push_back("boolean");
        if (scalar) types.push_back("string");
        if (says(strings | integers)) types.push_back("array");
        if (says(table)) types.push_back("object");
        Json schema = Json::object();
        schema["type"] = types.size() == 1 ? types[0] : types;
        if (says(integer | size | processors)) limit(schema, rule);
        if (scalar && !says(string)) {
            std::string text;
            if (says(size)) text = size_text;
            if (says(duration)) text = duration_text;
            if (says(processors)) text = percent_text;
            schema["pattern"] = pattern(text);
        }
        if (says(strings)) schema["items"] = Json::object({{"type", "string"}});
        if (says(integers)) schema["items"] = Json::object({{"type", "integer"}});
        if (says(string) && says(as_path)) schema["minLength"] = 1;
        if (says(strings) && says(as_path)) schema["items"]["minLength"] = 1;
        const auto words = words_of_key(rule, path);
        if (!words.empty()) {
            allow_only(schema, Json(words));
            if (says(strings)) allow_only(schema["items"], Json(words));
        }
        if (says(table)) of_inner(schema, owner, rule, path);
        return schema;
    }

    /// A table in a table of sugar: keys of its own, or those of the raw level that it is merged into.
    void of_inner(Json& schema, const TableRule& owner, const KeyRule& rule, const std::string& path) {
        if (!rule.members.empty()) {
            schema.update(closed(keys(owner, rule.members, path)));
            return;
        }
        const std::string name(rule.name);
        if (definitions_.find(name) == nullptr) return;
        // Which driver it is says sugar; what is in the end is a device that has the backend.
        const auto* backend = owner.name == "disk" ? "drive" : owner.name == "net" ? "netdev" : nullptr;
        const bool narrow = name == "device" && backend != nullptr;
        for_tables(schema, Definitions::ref(narrow ? fmt::format("device.with.{}", backend) : name));
        offer(schema, Definitions::ref(narrow ? fmt::format("any.device.{}", backend) : "any." + name));
        if (name == "blockdev")
            schema["properties"] = Json::object({{"node-name", Json::object({{"not", Json::object()}})}});
    }

    static void limit(Json& schema, const KeyRule& rule) {
        constexpr double thousandths = 1000;
        if ((rule.takes & processors) != 0) {
            schema["minimum"] = static_cast<double>(rule.least) / thousandths;
            schema["maximum"] = static_cast<double>(rule.most) / thousandths;
            return;
        }
        schema["minimum"] = rule.least;
        if (rule.most != INT64_MAX) schema["maximum"] = rule.most;
    }

    /// The language's words, or those of this QEMU.
    std::vector<std::string> words_of_key(const KeyRule& rule, std::string_view path) const {
        std::vector<std::string> words(rule.words.begin(), rule.words.end());
        if (path == "machine.type")
            for (const auto& machine : qemu_.machines)
                for (const auto& name : {machine.alias, machine.name})
                    if (!name.empty()) words.push_back(name);
        if (path == "cpu.model")
            for (const auto& model : qemu_.cpu_models) words.push_back(model.name);
        constexpr std::string_view suffix = "-accel";
        if (path == "machine.accel")
            for (const auto& [type, parent] : qemu_.parents)
                if (parent == "accel" && type.ends_with(suffix))
                    words.push_back(type.substr(0, type.size() - suffix.size()));
        return words;
    }

    /// `rule` is null for a table.
    static void document(Json& schema, const TableRule& table, const std::string& path, const KeyRule* rule) {
        const auto* doc = key_doc(path);
        if (doc == nullptr) return;
        std::string text(doc->meaning);
        const auto add = [&](std::string_view name, std::string_view fact) {
            if (!fact.empty()) text += fmt::format("\n\n{} {}.", name, fact);
        };
        add("Default:", doc->otherwise);
        add("It becomes", doc->becomes);
        add("A change comes", doc->changes);
        schema["description"] = std::move(text);
        if (rule == nullptr) return;
        if (auto value = default_of(*rule, doc->otherwise)) schema["default"] = std::move(*value);
        if (doc->path != path) return;  // of another key
        if (auto value = said_in(doc->example, table, path)) schema["examples"] = Json::array({*value});
    }

    const qapi::Capabilities& qemu_;
    Definitions& definitions_;
};

}  // namespace

Json language(const qapi::Capabilities& qemu, Json globals, Definitions& definitions) {
    return Language(qemu, definitions).properties(std::move(globals));
}

}  // namespace qvm::config::schema
