// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/composition.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/overrides.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> keys{"extends", "include", "unset"};
/// Files that a file may inherit, all together. Those that inherit the same one twice double it each time.
constexpr std::size_t most_files = 200;

std::string with_suffix(std::string_view name) {
    return std::string(name) + ".toml";
}

/// A file is meant by its path, a template by its name.
bool is_path(std::string_view word) {
    return word.find('/') != std::string_view::npos || word.ends_with(".toml");
}

/// The names of the templates in `directory`.
void add_names(const fs::path& directory, std::vector<std::string>& names) {
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
        if (entry->path().extension() == ".toml") names.push_back(entry->path().stem().string());
}

}  // namespace

struct Composer::Target {
    std::string word;
    Origin origin;
};

bool is_composition_key(std::string_view key) {
    return std::ranges::find(keys, key) != keys.end();
}

Diagnostic nothing_to_unset(const Table& table, const std::vector<std::string>& path, const Origin& origin) {
    const Table* found = &table;
    std::string where;
    for (const auto& part : path) {
        const Value* value = found->find(part);
        if (value == nullptr || !value->is_table()) {
            return {DiagnosticKind::Unused,
                    origin,
                    fmt::format("there is nothing to unset: {} has no '{}'",
                                where.empty() ? "the file" : where, part),
                    value == nullptr ? did_you_mean(part, found->keys()) : std::string(),
                    {}};
        }
        found = value->table();
        where += (where.empty() ? "" : ".") + part;
    }
    return {DiagnosticKind::Unused, origin, "there is nothing to unset", {}, {}};
}

Table Composer::compose(const SourceText& text, const Via& via) {
    diagnostics_.sources.add(text.name, text.text);
    document_.names.emplace_back(text.name, text.path);
    const Positions positions(std::make_shared<const std::string>(text.name), text.text, 1, via);
    auto table = read_toml(text.text, positions, diagnostics_);
    if (!table) return {};
    expand_short_forms(*table);
    chain_.push_back(text.path);
    auto base = inherited(text, *table);
    chain_.pop_back();
    if (base.empty()) return std::move(*table);
    merge(base, *table);
    return base;
}

/// The targets that a text names, in the order in which they are merged; its keys about them are gone.
std::vector<Composer::Target> Composer::take_targets(Table& table) {
    std::vector<Target> targets;
    const auto add = [&](const Value& value) {
        if (value.is_string() && !value.string()->empty())
            targets.push_back({*value.string(), value.origin});
        else
            diagnostics_.add({value.is_string() ? DiagnosticKind::BadValue : DiagnosticKind::BadType,
                              value.origin,
                              fmt::format("the path of a file or the name of a template belongs here, not {}",
                                          value.is_string() ? "an empty string" : value.type_name()),
                              {},
                              {}});
    };
    for (const std::string_view key : {"extends", "include"}) {
        const Value* value = table.find(key);
        if (value == nullptr) continue;
        if (const Array* list = key == "include" ? value->array() : nullptr)
            for (const auto& item : *list) add(item);
        else
            add(*value);
        table.erase(key);
    }
    return targets;
}

Table Composer::inherited(const SourceText& text, Table& table) {
    Table base;
    for (const auto& target : take_targets(table)) {
        const auto source = find(text, target);
        if (!source) continue;
        document_.inherited.push_back(*source);
        auto one = compose(*source, std::make_shared<const Origin>(target.origin));
        if (base.empty())
            base = std::move(one);
        else
            merge(base, one);
    }
    if (const Value* list = table.find("unset")) {
        unset(base, *list);
        table.erase("unset");
    }
    return base;
}

void Composer::unset(Table& from, const Value& list) {
    const Array* words = list.array();
    if (words == nullptr || !std::ranges::all_of(*words, &Value::is_string)) {
        diagnostics_.add({DiagnosticKind::BadType,
                          list.origin,
                          fmt::format("unset takes an array of strings, not {}",
                                      words == nullptr ? list.type_name() : "one of other things"),
                          {},
                          {"for example unset = [\"disk.data\"]"}});
        return;
    }
    for (const auto& word : *words) {
        const auto path = key_path(*word.string());
        if (!path)
            diagnostics_.add({DiagnosticKind::BadValue,
                              word.origin,
                              fmt::format("'{}' is not a TOML key", *word.string()),
                              {},
                              {"for example unset = [\"disk.data\"]"}});
        else if (!remove_at(from, *path))
            diagnostics_.add(nothing_to_unset(from, *path, word.origin));
    }
}

std::optional<SourceText> Composer::find(const SourceText& from, const Target& target) {
    if (document_.inherited.size() >= most_files) {
        diagnostics_.add({DiagnosticKind::Conflict,
                          target.origin,
                          fmt::format("more than {} files are inherited", most_files),
                          {},
                          {}});
        return std::nullopt;
    }
    return is_path(target.word) ? find_file(from, target) : find_template(from, target);
}

/// Not what is being read already.
bool Composer::may_read(const fs::path& path, const Target& target) {
    const auto begin = std::ranges::find(chain_, path);
    if (begin == chain_.end()) return true;
    std::string loop;
    for (auto link = begin; link != chain_.end(); ++link) loop += link->string() + " -> ";
    diagnostics_.add({DiagnosticKind::Cycle,
                      target.origin,
                      fmt::format("'{}' inherits itself", path.string()),
                      {},
                      {loop + path.string()}});
    return false;
}

std::optional<SourceText> Composer::find_file(const SourceText& from, const Target& target) {
    const fs::path word = expand_home(target.word);
    const auto path = (from.path.parent_path() / word).lexically_normal();
    if (!may_read(path, target)) return std::nullopt;
    auto content = library_.read(path);
    if (content) {
        const auto name = (fs::path(from.name).parent_path() / word).lexically_normal();
        return SourceText{name.string(), path, std::move(content.bytes)};
    }
    diagnostics_.add(
        {DiagnosticKind::FileMissing,
         target.origin,
         fmt::format("cannot read '{}': {}", path.string(), std::generic_category().message(content.error)),
         {},
         {}});
    return std::nullopt;
}

/// Beside the file, then where templates are. A template may extend one of its own name: that of the next
/// place.
std::optional<SourceText> Composer::find_template(const SourceText& from, const Target& target) {
    std::vector<fs::path> places{from.path.parent_path()};
    places.insert(places.end(), library_.templates.begin(), library_.templates.end());
    for (const auto& place : places) {
        const auto path = place / with_suffix(target.word);
        if (path == from.path) continue;
        auto content = library_.read(path);
        if (content.error == ENOENT || content.error == ENOTDIR) continue;
        if (!may_read(path, target)) return std::nullopt;
        const bool beside = &place == &places.front();
        if (content)
            return SourceText{
                beside ? (fs::path(from.name).parent_path() / path.filename()).string() : path.string(), path,
                std::move(content.bytes)};
        diagnostics_.add({DiagnosticKind::FileMissing,
                          target.origin,
                          fmt::format("cannot read '{}': {}", path.string(),
                                      std::generic_category().message(content.error)),
                          {},
                          {}});
        return std::nullopt;
    }
    std::vector<std::string> names, looked;
    for (const auto& place : library_.templates) add_names(place, names);
    for (const auto& place : places) looked.push_back(place.string());
    diagnostics_.add({DiagnosticKind::BadRef,
                      target.origin,
                      fmt::format("there is no template '{}'", target.word),
                      did_you_mean(target.word, names),
                      {fmt::format("looked for {} in {}", with_suffix(target.word), fmt::join(looked, ", ")),
                       fmt::format("a file is meant by its path: \"./{}\"", target.word)}});
    return std::nullopt;
}

}  // namespace qvm::config
