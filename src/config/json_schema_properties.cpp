// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "config/check_properties.hpp"
#include "config/explain_qemu.hpp"
#include "config/json_schema_parts.hpp"
#include "config/rules_options.hpp"

namespace qvm::config::schema {
namespace {

using Properties = std::vector<qapi::Property>;

Json of_integer(const IntegerRange& range) {
    Json schema = Json::object({{"type", Json::array({"integer", "string"})}});
    schema["pattern"] = pattern(fmt::format("^-?[0-9]+$|^0x[0-9a-fA-F]+$|{}", size_text));
    if (range.least != INT64_MIN) schema["minimum"] = range.least;
    if (range.most < INT64_MAX) schema["maximum"] = range.most;
    return schema;
}

Json of_words(const std::vector<std::string>& words) {
    const auto has = [&](const char* word) { return std::ranges::find(words, word) != words.end(); };
    const auto is_number = [](const std::string& word) {
        return word.find_first_not_of("0123456789") == std::string::npos;
    };
    Json schema = Json::object();
    Json types = Json::array({"string"});
    if (has("on") && has("off")) types.push_back("boolean");
    if (std::ranges::any_of(words, is_number)) types.push_back("integer");
    schema["type"] = std::move(types);
    allow_only(schema, Json(words));
    return schema;
}

Json of_value(const qapi::Property& property) {
    if (property.description.starts_with("Slot and optional function number"))
        return Json::object({{"type", Json::array({"string", "integer"})},
                             {"pattern", pattern(R"(^(0x)?[01]?[0-9a-fA-F](\.[0-7])?$)")},
                             {"minimum", -1},
                             {"maximum", 255}});
    if (property.type == "bool")
        return Json::object(
            {{"type", Json::array({"boolean", "string"})}, {"pattern", pattern("^(on|off)$")}});
    if (is_text(property)) {
        Json schema = Json::object({{"type", "string"}});
        if (property.description.starts_with("Ethernet 6-byte MAC"))
            schema["pattern"] = pattern("^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$");
        return schema;
    }
    if (const auto range = integer_range(property)) return of_integer(*range);
    if (const auto words = enum_values(property); !words.empty()) return of_words(words);
    return Json::object();  // a structure nobody describes: QEMU itself will say
}

const Properties& known_properties(const qapi::Capabilities& qemu, std::string_view type) {
    static const Properties none;
    const auto* known = qemu.properties_of(type);
    return known == nullptr ? none : *known;
}

/// `ours` are keys of the language, whatever QEMU has of that name.
Json of_all(const Properties& properties, const Json& ours) {
    Json all = ours;
    for (const auto& property : properties)
        if (!ours.contains(property.name)) all.push_back({property.name, of_property(property)});
    return all;
}

/// A kind of thing with many types, each a table with properties of its own. Types that take the same are one
/// definition.
class Family {
  public:
    /// `ours` are keys of the language that all of them have.
    Family(std::string name, std::string tag, Json ours)
        : name_(std::move(name)), tag_(std::move(tag)), ours_(std::move(ours)) {}

    void add(const std::vector<std::string>& words, const std::string& type, const Properties& properties) {
        std::string text;
        for (const auto& p : properties)
            text += fmt::format("{}\n{}\n{}\n{}\n", p.name, p.type, p.description, p.initial);
        const auto [place, fresh] = places_.try_emplace(std::move(text), groups_.size());
        if (fresh) groups_.push_back({type, {}, of_all(properties, ours_)});
        auto& all = groups_[place->second].words;
        all.insert(all.end(), words.begin(), words.end());
    }

    /// "NAME" and "any.NAME"; the definition that holds for each word.
    std::map<std::string, std::string> define(Definitions& definitions, const Json& tag) const {
        std::map<std::string, std::string> found;
        const auto any = "any." + name_;
        Json own = Json::object();
        own[tag_] = tag;
        Json shown = Json::object();
        offer(shown, Definitions::ref(any));
        Json all = Json::array({Json::object({{"properties", std::move(own)}}), std::move(shown),
                                without(tag_, Definitions::ref(any))});
        Ways ways;
        for (const auto& group : groups_) {
            const auto name = fmt::format("{}.{}", name_, group.type);
            definitions.set(name, closed(group.properties));
            all.push_back(when(tag_, Json(group.words), Definitions::ref(name)));
            for (const auto& [key, schema] : group.properties.items()) ways.add(key, schema);
            for (const auto& word : group.words) found.emplace(word, name);
        }
        definitions.set(any, ways.to_json());
        definitions.set(name_, Json::object({{"allOf", std::move(all)}}));
        return found;
    }

    /// "any.NAME.KEY": of the types that have KEY, when none is named.
    void define_with(std::string_view key, Definitions& definitions) const {
        Ways ways;
        for (const auto& group : groups_)
            if (group.properties.contains(key))
                for (const auto& [name, schema] : group.properties.items()) ways.add(name, schema);
        const auto any = fmt::format("any.{}.{}", name_, key);
        definitions.set(any, ways.to_json());
        Json named = without(tag_, Definitions::ref(any));
        named["else"] = Definitions::ref(name_);
        definitions.set(fmt::format("{}.with.{}", name_, key), std::move(named));
    }

  private:
    struct Group {
        std::string type;
        std::vector<std::string> words;
        Json properties;
    };

    std::string name_, tag_;
    Json ours_;
    std::map<std::string, std::size_t> places_;
    std::vector<Group> groups_;
};

}  // namespace

Json of_property(const qapi::Property& property) {
    Json schema = of_value(property);
    // A description of one word is the list of its values.
    if (property.description.find(' ') != std::string::npos) schema["description"] = property.description;
    if (!property.initial.empty()) {
        Json initial = Json::parse(property.initial, nullptr, false);
        if (!initial.is_discarded()) schema["default"] = std::move(initial);
    }
    return schema;
}

std::map<std::string, std::string> define_devices(const qapi::Capabilities& qemu, Definitions& definitions) {
    Family family("device", "driver",
                  Json::object({{"driver", Json::object()}, {"bus", Json::object({{"type", "string"}})}}));
    for (const auto& type : qemu.device_types) family.add({type}, type, known_properties(qemu, type));
    Json driver = Json::object({{"type", "string"}});
    allow_only(driver, Json(qemu.device_types));
    for (const char* end : {"drive", "netdev"}) family.define_with(end, definitions);
    return family.define(definitions, driver);
}

void define_machines(const qapi::Capabilities& qemu, Definitions& definitions) {
    Family family("machine", "type", Json::object({{"type", Json::object()}, {"accel", Json::object()}}));
    for (const auto& machine : qemu.machines) {
        Properties properties = known_properties(qemu, machine.name + "-machine");
        std::erase_if(properties,
                      [](const auto& property) { return !owner_of_machine_property(property.name).empty(); });
        for (const auto& legacy : legacy_machine_properties())
            if (find_property(properties, legacy.name) == nullptr) properties.push_back(legacy);
        std::vector<std::string> names{machine.name};
        if (!machine.alias.empty()) names.push_back(machine.alias);
        family.add(names, machine.name, properties);
    }
    family.define(definitions, Json::object());
}

void define_cpus(const qapi::Capabilities& qemu, Definitions& definitions) {
    Family family("cpu", "model", Json::object({{"model", Json::object()}}));
    for (const auto& model : qemu.cpu_models)
        family.add({model.name}, model.name, known_properties(qemu, model.type));
    family.define(definitions, Json::object());
}

Json globals(const qapi::Capabilities& qemu, const std::map<std::string, std::string>& devices) {
    Json properties = Json::object();
    for (const auto& [type, parent] : qemu.parents) {
        // A base of several types has no list of properties of its own: QEMU will say.
        const auto device = devices.find(type);
        if (device == devices.end())
            properties[type] = Definitions::ref("global");
        else
            properties[type] = Json::object(
                {{"allOf", Json::array({Definitions::ref("global"), Definitions::ref(device->second)})}});
    }
    return properties;
}

Json options(const qapi::Capabilities& qemu) {
    Json all = Json::object();
    for (const auto& name : types_of("option", qemu)) {
        Json properties = Json::object();
        for (const auto& [group, parameters] : qemu.options)
            if (option_of_group(group) == name)
                for (const auto& p : parameters) properties[p.name] = of_property(property_of(p));
        // A group without parameters takes what QEMU's own code makes of it.
        all[name] = properties.empty() ? Json::object() : closed(std::move(properties));
    }
    return all;
}

}  // namespace qvm::config::schema
