// SPDX-License-Identifier: GPL-3.0-or-later
#include "qapi/capabilities.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm::qapi {
namespace {

/// Properties repeat thousands of times, so they are saved as [name, type, description, default], without
/// what is empty at the end.
Json save(const std::vector<Property>& properties) {
    Json list = Json::array();
    for (const Property& p : properties) {
        Json row = Json::array({p.name, p.type});
        if (!p.description.empty() || !p.initial.empty()) row.push_back(p.description);
        if (!p.initial.empty()) row.push_back(p.initial);
        list.push_back(std::move(row));
    }
    return list;
}

std::vector<Property> load_properties(const Json& list) {
    std::vector<Property> properties;
    for (const Json& row : list)
        properties.push_back({row.at(0).get<std::string>(), row.at(1).get<std::string>(),
                              row.size() > 2 ? row.at(2).get<std::string>() : std::string(),
                              row.size() > 3 ? row.at(3).get<std::string>() : std::string()});
    return properties;
}

Capabilities load(const Json& saved) {
    Capabilities c;
    c.binary = saved.at("binary").get<std::string>();
    const Json& version = saved.at("version");
    c.version = {version.at(0).get<int>(), version.at(1).get<int>(), version.at(2).get<int>()};
    c.package = saved.at("package").get<std::string>();
    c.arch = saved.at("arch").get<std::string>();
    for (const Json& row : saved.at("parents"))
        c.parents.emplace(row.at(0).get<std::string>(), row.at(1).get<std::string>());
    c.device_types = saved.at("device_types").get<std::vector<std::string>>();
    c.object_types = saved.at("object_types").get<std::vector<std::string>>();
    for (const auto& [type, list] : saved.at("properties").items())
        c.properties.emplace(type, load_properties(list));
    for (const Json& m : saved.at("machines"))
        c.machines.push_back({m.at("name").get<std::string>(), m.at("alias").get<std::string>(),
                              m.at("cpu_max").get<unsigned>(), m.at("hotpluggable_cpus").get<bool>(),
                              m.at("deprecated").get<bool>(), m.at("default_ram_id").get<std::string>()});
    for (const Json& m : saved.at("cpu_models"))
        c.cpu_models.push_back({m.at("name").get<std::string>(), m.at("type").get<std::string>(),
                                m.at("deprecated").get<bool>()});
    for (const auto& [group, list] : saved.at("options").items()) {
        auto& parameters = c.options[group];
        for (const Json& row : list)
            parameters.push_back({row.at(0).get<std::string>(), row.at(1).get<std::string>()});
    }
    c.introspection = saved.at("introspection");
    c.schema = Schema::parse(c.introspection);
    return c;
}

}  // namespace

std::string Version::to_string() const {
    return fmt::format("{}.{}.{}", major, minor, micro);
}

bool Capabilities::is_a(std::string_view type, std::string_view ancestor) const {
    // The chain is short; the bound only guards against a loop in a damaged cache file.
    for (int depth = 0; depth < 64 && !type.empty(); ++depth) {
        if (type == ancestor) return true;
        const auto parent = parents.find(type);
        if (parent == parents.end()) return false;
        type = parent->second;
    }
    return false;
}

bool Capabilities::has_device(std::string_view type) const {
    return std::ranges::find(device_types, type) != device_types.end();
}

const std::vector<Property>* Capabilities::properties_of(std::string_view type) const {
    const auto found = properties.find(type);
    return found == properties.end() ? nullptr : &found->second;
}

const Machine* Capabilities::machine(std::string_view name_or_alias) const {
    const auto found = std::ranges::find_if(machines, [&](const Machine& m) {
        return m.name == name_or_alias || (!m.alias.empty() && m.alias == name_or_alias);
    });
    return found == machines.end() ? nullptr : &*found;
}

const CpuModel* Capabilities::cpu_model(std::string_view name) const {
    const auto found = std::ranges::find(cpu_models, name, &CpuModel::name);
    return found == cpu_models.end() ? nullptr : &*found;
}

std::string Capabilities::to_string() const {
    return fmt::format("QEMU {} ({})", version.to_string(),
                       saved_in.empty() ? binary : fmt::format("saved in {}", saved_in));
}

Json Capabilities::to_json() const {
    Json saved = Json::object();
    saved["form"] = saved_form;
    saved["binary"] = binary;
    saved["version"] = Json::array({version.major, version.minor, version.micro});
    saved["package"] = package;
    saved["arch"] = arch;
    Json& saved_parents = saved["parents"] = Json::array();  // pairs: an ordered object is slow to read back
    for (const auto& [type, parent] : parents) saved_parents.push_back(Json::array({type, parent}));
    saved["device_types"] = device_types;
    saved["object_types"] = object_types;
    Json& saved_properties = saved["properties"] = Json::object();
    for (const auto& [type, list] : properties) saved_properties[type] = save(list);
    Json& saved_machines = saved["machines"] = Json::array();
    for (const Machine& m : machines)
        saved_machines.push_back(Json::object({{"name", m.name},
                                               {"alias", m.alias},
                                               {"cpu_max", m.cpu_max},
                                               {"hotpluggable_cpus", m.hotpluggable_cpus},
                                               {"deprecated", m.deprecated},
                                               {"default_ram_id", m.default_ram_id}}));
    Json& saved_models = saved["cpu_models"] = Json::array();
    for (const CpuModel& m : cpu_models)
        saved_models.push_back(
            Json::object({{"name", m.name}, {"type", m.type}, {"deprecated", m.deprecated}}));
    Json& saved_options = saved["options"] = Json::object();
    for (const auto& [group, list] : options) {
        Json& rows = saved_options[group] = Json::array();
        for (const OptionParameter& p : list) rows.push_back(Json::array({p.name, p.type}));
    }
    saved["introspection"] = introspection;
    return saved;
}

Capabilities Capabilities::from_json(const Json& saved) {
    if (!saved.is_object() || saved.value("form", 0) != saved_form)
        throw Error(ExitCode::HostCannot,
                    "these are not saved capabilities of a QEMU, or of another version of qvm");
    try {
        return load(saved);
    } catch (const Json::exception& e) {
        throw Error(ExitCode::HostCannot,
                    std::string("the saved capabilities of a QEMU are damaged: ") + e.what());
    }
}

}  // namespace qvm::qapi
