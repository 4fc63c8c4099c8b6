// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/drift.hpp"

#include <algorithm>
#include <functional>

namespace qvm::launch {
namespace {

using config::Kind;

/// Children of a QOM object, without its plain properties.
std::set<std::string> children_in(const Json& list) {
    std::set<std::string> names;
    for (const auto& property : list)
        if (property.value("type", "").starts_with("child<")) names.insert(property.value("name", ""));
    return names;
}

std::set<std::string> members_in(const Json& list, const char* member) {
    std::set<std::string> names;
    for (const auto& entry : list)
        if (entry.contains(member)) names.insert(entry.at(member).get<std::string>());
    return names;
}

/// The nodes that a blockdev-add makes by itself, at any depth.
void add_inner_nodes(const Json& arguments, std::set<std::string>& names) {
    if (arguments.is_object() && arguments.contains("node-name"))
        names.insert(arguments.at("node-name").get<std::string>());
    if (arguments.is_structured())
        for (const auto& member : arguments) add_inner_nodes(member, names);
}

}  // namespace

Observed Observed::from_replies(const Json& peripherals, const Json& objects, const Json& chardevs,
                                const Json& nodes, const Json& cpus) {
    return {children_in(peripherals),
            children_in(objects),
            members_in(chardevs, "label"),
            members_in(nodes, "node-name"),
            {},
            CpuSlot::from_reply(cpus)};
}

Drift drift(const config::Vm& running, const Observed& observed) {
    Drift found;
    const auto compare = [&](Kind kind, const std::set<std::string>& there, std::set<std::string> known,
                             const std::function<bool(const std::string&)>& foreign) {
        for (const auto& resource : running.resources) {
            if (resource.id.kind != kind) continue;
            known.insert(resource.id.id);
            if (!there.contains(resource.id.id)) found.missing.push_back(resource.id);
        }
        for (const auto& id : there)
            if (!known.contains(id) && foreign(id)) found.extra.push_back({kind, id});
    };
    std::set<std::string> inner;
    for (const auto& resource : running.resources)
        if (resource.id.kind == Kind::Blockdev) add_inner_nodes(resource.arguments, inner);
    const auto all = [](const std::string&) { return true; };
    // QEMU's own names, and qvm's, are no user's.
    const auto named = [](const std::string& id) { return !id.starts_with('#') && !id.starts_with("qvm."); };
    const auto no_one = [](const std::string&) { return false; };
    compare(Kind::Device, observed.devices, {}, all);
    // Beside what the file makes, QEMU keeps the machine's memory there.
    compare(Kind::Object, observed.objects, {}, no_one);
    compare(Kind::Chardev, observed.chardevs, {}, named);
    compare(Kind::Blockdev, observed.nodes, inner, named);
    for (const auto& resource : running.resources)
        if (const auto how = observed.ended_helpers.find(resource.id.to_string());
            resource.id.kind == Kind::Host && how != observed.ended_helpers.end())
            found.ended.emplace_back(resource.id, how->second);
    return found;
}

}  // namespace qvm::launch
