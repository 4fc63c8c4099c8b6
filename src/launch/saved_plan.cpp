// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/saved_plan.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/shell_word.hpp"
#include "config/document.hpp"

namespace qvm::launch {
namespace {

/// Raised whenever the saved form changes incompatibly.
constexpr int saved_form = 1;
constexpr const char* form_key = "qvm-plan";

/// Where a value stands in its file says nothing about what is done.
Json without_origins(Json changes) {
    for (auto& change : changes)
        if (change.is_object()) change.erase("origin");
    return changes;
}

Json to_json(const std::vector<SavedFile>& files) {
    Json list = Json::array();
    for (const auto& file : files) list.push_back({{"path", file.path.string()}, {"hash", file.hash}});
    return list;
}

/// Throws Json::exception.
std::vector<SavedFile> files_from(const Json& list) {
    std::vector<SavedFile> files;
    for (const auto& file : list)
        files.push_back({file.at("path").get<std::string>(), file.at("hash").get<std::string>()});
    return files;
}

void add_if_changed(const SavedFile& file, const std::vector<SavedFile>& now,
                    std::vector<std::string>& sentences) {
    const auto same = std::ranges::find(now, file.path, &SavedFile::path);
    if (same == now.end() || same->hash != file.hash)
        sentences.push_back(fmt::format("{} has changed", file.path.string()));
}

Error damaged(const std::string& path, const std::string& why) {
    return {ExitCode::Invalid, fmt::format("'{}' is no saved plan that can be read: {}", path, why),
            "`qvm plan -o FILE` makes one"};
}

}  // namespace

SavedFile SavedFile::of(const std::filesystem::path& path, std::string_view text) {
    return {path, fmt::format("{:016x}", stable_hash(text))};
}

std::string SavedPlan::text() const {
    Json json = Json::object();
    json[form_key] = saved_form;
    json["vm"] = vm;
    json["generation"] = generation;
    json["revision"] = revision;
    json["directory"] = directory.string();
    json["files"] = to_json(files);
    json["inherited"] = to_json(inherited);
    json["set"] = overrides;
    json["replug"] = replug;
    json["fix-drift"] = fix_drift;
    json["changes"] = changes;
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string SavedPlan::command(const std::string& path) const {
    std::string text = "qvm plan -o " + shell_word(path);
    for (const auto& file : files)
        text += (&file == &files.front() ? " " : " -f ") + shell_word(file.path.string());
    for (const auto& said : overrides)
        text += (config::Override{said}.unsets() ? " --unset " : " --set ") + shell_word(said);
    if (replug) text += " --replug";
    if (fix_drift) text += " --fix-drift";
    return text;
}

SavedPlan SavedPlan::from_text(std::string_view text, const std::string& path) {
    try {
        const Json json = Json::parse(text);
        if (!json.contains(form_key)) throw damaged(path, fmt::format("it has no \"{}\"", form_key));
        if (const int form = json.at(form_key).get<int>(); form != saved_form)
            throw Error(ExitCode::Invalid,
                        fmt::format("'{}' is a plan of format {}, and this qvm knows format {}", path, form,
                                    saved_form),
                        "make it anew: `qvm plan -o`");
        SavedPlan plan;
        plan.vm = json.at("vm").get<std::string>();
        plan.generation = json.at("generation").get<std::uint64_t>();
        plan.revision = json.at("revision").get<std::uint64_t>();
        plan.directory = json.at("directory").get<std::string>();
        plan.files = files_from(json.at("files"));
        plan.inherited = files_from(json.at("inherited"));
        plan.overrides = json.at("set").get<std::vector<std::string>>();
        plan.replug = json.at("replug").get<bool>();
        plan.fix_drift = json.at("fix-drift").get<bool>();
        plan.changes = json.at("changes");
        if (plan.files.empty()) throw damaged(path, "it names no file");
        return plan;
    } catch (const Json::exception& error) {
        throw damaged(path, error.what());
    }
}

bool is_saved_plan(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || text[first] != '{') return false;
    const Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json.contains(form_key)
                            : text.find(fmt::format("\"{}\"", form_key)) != std::string_view::npos;
}

std::vector<std::string> what_differs(const SavedPlan& saved, const SavedPlan& now) {
    std::vector<std::string> sentences;
    if (saved.generation != now.generation)
        sentences.push_back(fmt::format("{} was started anew", saved.vm));
    else if (saved.revision != now.revision)
        sentences.push_back(fmt::format("{} was changed by another apply", saved.vm));
    for (const auto& file : saved.files) add_if_changed(file, now.files, sentences);
    for (const auto& file : saved.inherited) add_if_changed(file, now.inherited, sentences);
    if (sentences.empty() && saved.vm != now.vm)
        sentences.push_back(fmt::format("its file is that of {} now", now.vm));
    if (sentences.empty() && without_origins(saved.changes) != without_origins(now.changes))
        sentences.push_back("its changes would be others than those it shows");
    return sentences;
}

}  // namespace qvm::launch
