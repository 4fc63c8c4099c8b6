// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/operation.hpp"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace qvm::launch {
namespace {

using Kind = Operation::Kind;

constexpr auto kind_words = std::to_array<std::pair<Kind, std::string_view>>({
    {Kind::Command, "qmp"},
    {Kind::QomSet, "qom-set"},
    {Kind::Unplug, "unplug"},
    {Kind::Grow, "grow"},
    {Kind::Limits, "limits"},
    {Kind::Settings, "settings"},
    {Kind::TakeHelper, "take-helper"},
    {Kind::EndHelper, "end-helper"},
});

std::string_view word_of(Kind kind) {
    for (const auto& [known, word] : kind_words)
        if (known == kind) return word;
    return "";
}

Kind kind_named(const std::string& name) {
    for (const auto& [kind, word] : kind_words)
        if (word == name) return kind;
    throw Json::other_error::create(501, "an operation of a kind that is not known: " + name, nullptr);
}

Json save(const RecordEdit& edit) {
    Json json = Json::object();
    if (edit.set)
        json["set"] = {{"id", edit.set->id}, {"made-by", edit.set->made_by}, {"text", edit.set->text}};
    if (!edit.erase.empty()) json["erase"] = edit.erase;
    if (!edit.settings.empty()) json["settings"] = edit.settings;
    return json;
}

RecordEdit load_edit(const Json& saved) {
    RecordEdit edit;
    if (saved.contains("set")) {
        const Json& set = saved.at("set");
        edit.set = {set.at("id").get<std::string>(), set.at("made-by").get<std::string>(),
                    set.at("text").get<std::string>()};
    }
    edit.erase = saved.value("erase", "");
    edit.settings = saved.value("settings", "");
    return edit;
}

Json save(const std::vector<Operation>& operations) {
    Json list = Json::array();
    for (const auto& operation : operations) list.push_back(operation.to_json());
    return list;
}

std::vector<Operation> load_list(const Json& saved) {
    std::vector<Operation> operations;
    for (const auto& operation : saved) operations.push_back(Operation::from_json(operation));
    return operations;
}

}  // namespace

std::string Operation::title() const {
    const auto subject = resource.empty() ? std::string() : ' ' + resource;
    if (kind == Kind::Command) return command + subject;
    if (kind == Kind::QomSet) return fmt::format("qom-set {} of{}", arguments.value("property", ""), subject);
    if (kind == Kind::Grow) return "block_resize" + subject;
    if (kind == Kind::Unplug) return "device_del" + subject;
    return std::string(word_of(kind)) + subject;
}

Json Operation::to_json() const {
    Json json = Json::object();
    json["do"] = word_of(kind);
    if (!resource.empty()) json["resource"] = resource;
    if (!origin.empty()) json["origin"] = origin;
    if (!command.empty()) json["execute"] = command;
    if (!arguments.is_null()) json["arguments"] = arguments;
    if (!fd.empty()) json["fd"] = fd;
    if (!device.empty()) json["device"] = device;
    if (needs_guest) json["needs-guest"] = true;
    if (!after.empty()) json["after"] = after;
    if (!undo.empty()) json["undo"] = save(undo);
    if (lasting) json["lasting"] = true;
    if (may_fail) json["may-fail"] = true;
    if (!record.empty()) json["record"] = save(record);
    return json;
}

Operation Operation::from_json(const Json& saved) {
    Operation operation;
    operation.kind = kind_named(saved.at("do").get<std::string>());
    operation.resource = saved.value("resource", "");
    operation.origin = saved.value("origin", "");
    operation.command = saved.value("execute", "");
    operation.arguments = saved.value("arguments", Json());
    operation.fd = saved.value("fd", "");
    operation.device = saved.value("device", "");
    operation.needs_guest = saved.value("needs-guest", false);
    if (saved.contains("after")) operation.after = saved.at("after").get<std::vector<std::string>>();
    if (saved.contains("undo")) operation.undo = load_list(saved.at("undo"));
    operation.lasting = saved.value("lasting", false);
    operation.may_fail = saved.value("may-fail", false);
    if (saved.contains("record")) operation.record = load_edit(saved.at("record"));
    return operation;
}

Json Operations::to_json() const {
    return Json::object({{"additions", save(additions)},
                         {"changes", save(changes)},
                         {"removals", save(removals)},
                         {"replugs", save(replugs)}});
}

Operations Operations::from_json(const Json& saved) {
    return {load_list(saved.at("additions")), load_list(saved.at("changes")), load_list(saved.at("removals")),
            load_list(saved.at("replugs"))};
}

}  // namespace qvm::launch
