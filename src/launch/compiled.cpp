// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/compiled.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/diagnostic.hpp"
#include "base/error.hpp"
#include "config/check.hpp"
#include "config/document.hpp"
#include "config/dump.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"

namespace qvm::launch {
namespace {

/// No name that a file could have, and all paths in it are absolute.
config::Document document_of(const Compiled& compiled, Diagnostics& diagnostics) {
    return config::load({{"<what runs>", "/what-runs.toml", compiled.text()}}, {}, diagnostics);
}

}  // namespace

std::string Compiled::text() const {
    std::string whole = settings;
    for (const auto& resource : resources) whole += resource.text;
    return whole;
}

void Compiled::set(CompiledResource resource) {
    const auto there = std::ranges::find(resources, resource.id, &CompiledResource::id);
    if (there == resources.end())
        resources.push_back(std::move(resource));
    else
        *there = std::move(resource);
}

void Compiled::erase(const std::string& id) {
    std::erase_if(resources, [&](const auto& resource) { return resource.id == id; });
}

Json Compiled::to_json() const {
    Json json = Json::object();
    json["settings"] = settings;
    json["spare-pcie-ports"] = spare_pcie_ports;
    Json& list = json["resources"] = Json::array();
    for (const auto& resource : resources)
        list.push_back({{"id", resource.id}, {"made-by", resource.made_by}, {"text", resource.text}});
    return json;
}

Compiled Compiled::from_json(const Json& saved) {
    Compiled compiled;
    compiled.settings = saved.at("settings").get<std::string>();
    compiled.spare_pcie_ports = saved.at("spare-pcie-ports").get<unsigned>();
    for (const auto& resource : saved.at("resources"))
        compiled.resources.push_back({resource.at("id").get<std::string>(),
                                      resource.at("made-by").get<std::string>(),
                                      resource.at("text").get<std::string>()});
    return compiled;
}

CompiledResource compiled(const config::Resource& resource) {
    return {resource.id.to_string(), resource.made_by, config::to_toml(resource)};
}

Compiled compiled(const config::Vm& vm, unsigned spare_pcie_ports) {
    Compiled parts;
    parts.settings = config::settings_to_toml(vm);
    parts.spare_pcie_ports = spare_pcie_ports;
    for (const auto& resource : vm.resources) parts.resources.push_back(compiled(resource));
    return parts;
}

config::Vm lower_compiled(const Compiled& compiled) {
    Diagnostics ignored;
    return config::lower(document_of(compiled, ignored), ignored);
}

config::Vm read_compiled(const Compiled& compiled, const std::string& vm, Probe& probe) {
    Diagnostics diagnostics;
    const auto document = document_of(compiled, diagnostics);
    config::Vm running = config::lower(document, diagnostics);
    config::find_host_uses(running, document, diagnostics);
    for (auto& resource : running.resources) {
        const auto saved =
            std::ranges::find(compiled.resources, resource.id.to_string(), &CompiledResource::id);
        if (saved != compiled.resources.end()) resource.made_by = saved->made_by;
    }
    config::check(running, probe.with_properties(config::types_needed(running, probe.capabilities())),
                  diagnostics);
    if (diagnostics.has_errors())
        throw Error(ExitCode::HostCannot,
                    fmt::format("{}: what runs cannot be compared with its file: {} does not know all of it",
                                vm, probe.capabilities().to_string()),
                    fmt::format("was QEMU upgraded? `qvm restart {}` starts it anew", vm));
    return running;
}

}  // namespace qvm::launch
