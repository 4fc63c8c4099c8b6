// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/explain.hpp"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/key_docs.hpp"
#include "config/overrides.hpp"

namespace qvm::config {
namespace {

using namespace takes;
using Parts = std::span<const std::string>;

/// Where a path leads within the vocabulary.
struct Word {
    const TableRule* table = nullptr;
    std::string id;                    ///< as said, or X
    std::vector<const KeyRule*> keys;  ///< from the table inwards
    std::string unknown;               ///< the first part that is no key
};

bool has_id(const TableRule& table) {
    return table.shape == Shape::Named || table.shape == Shape::Raw;
}

const KeyRule* named(std::span<const KeyRule> rules, std::string_view name) {
    const auto found = std::ranges::find(rules, name, &KeyRule::name);
    return found == rules.end() ? nullptr : &*found;
}

Word follow(const TableRule& table, std::string id, Parts parts) {
    Word word{&table, std::move(id), {}, {}};
    auto rules = table.keys;
    for (const auto& part : parts) {
        const KeyRule* key = named(rules, part);
        if (key == nullptr) {
            word.unknown = part;
            break;
        }
        word.keys.push_back(key);
        rules = key->members;
    }
    return word;
}

/// A key that is almost one of the table's. Ids are words, too, and "root" is near "boot": people get the
/// first letter right.
bool is_misspelt(const TableRule& table, const std::string& word) {
    std::vector<std::string> names;
    for (const auto& key : table.keys) names.emplace_back(key.name);
    const auto near = nearest(word, names);
    return near && near->front() == word.front();
}

/// "disk.cache" names a key, "disk.root" a disk, "disk.root.cache" both.
Word find_word(const TableRule& table, Parts parts) {
    if (!has_id(table) || parts.empty()) return follow(table, "X", parts);
    auto without = follow(table, "X", parts);
    auto with = follow(table, parts.front(), parts.subspan(1));
    const bool misspelt = parts.size() == 1 && !table.open && is_misspelt(table, parts.front());
    const bool deeper = !with.unknown.empty() && without.keys.size() > with.keys.size();
    return without.unknown.empty() || misspelt || deeper ? without : with;
}

std::string path_of(const TableRule& table, const std::string& id) {
    return has_id(table) ? fmt::format("{}.{}", table.name, id) : std::string(table.name);
}

std::string path_of(const Word& word) {
    auto path = path_of(*word.table, word.id);
    for (const auto* key : word.keys) path += fmt::format(".{}", key->name);
    return path;
}

[[noreturn]] void throw_unknown(const Word& word) {
    const auto where = path_of(word);
    const auto rules = word.keys.empty() ? word.table->keys : word.keys.back()->members;
    if (!word.keys.empty() && (word.keys.back()->takes & table) != 0 && rules.empty()) {
        const bool net = word.table->name == "net";
        const bool device = word.keys.back()->name == "device";
        const auto* for_example =
            device ? (net ? "virtio-net-pci" : "virtio-blk-pci") : (net ? "netdev.stream" : "blockdev.qcow2");
        throw Error(ExitCode::Usage,
                    fmt::format("what {} takes is QEMU's, and depends on its {}", where,
                                net && !device ? "type" : "driver"),
                    fmt::format("name that: for example `qvm explain {}.{}`", for_example, word.unknown));
    }
    if (rules.empty())
        throw Error(ExitCode::Usage, fmt::format("{} has no keys, so no '{}'", where, word.unknown),
                    fmt::format("`qvm explain {}` tells what it takes", where));
    std::vector<std::string> names;
    for (const auto& rule : rules) names.emplace_back(rule.name);
    const auto near = nearest(word.unknown, names);
    throw Error(ExitCode::Usage, fmt::format("{} has no key '{}'", where, word.unknown),
                near ? fmt::format("did you mean '{}.{}'?", where, *near)
                     : fmt::format("its keys are {}", join_or(names)));
}

std::string range_in_words(const KeyRule& rule) {
    const bool is_size = (rule.takes & size) != 0;
    const auto number = [&](std::int64_t value) {
        return is_size ? format_size(static_cast<std::uint64_t>(value)) : std::to_string(value);
    };
    if (rule.most != INT64_MAX) return fmt::format(" from {} to {}", number(rule.least), number(rule.most));
    return rule.least > 0 ? " of at least " + number(rule.least) : "";
}

/// [disk.X], memory = SIZE: how a table is said.
std::string takes_in_words(const TableRule& rule) {
    if (rule.shape == Shape::Plain) return takes_in_words(rule.keys.front());
    if (rule.shape == Shape::List) return fmt::format("tables [[{}]]", rule.name);
    if (has_id(rule)) {
        std::string text = fmt::format("tables [{}.X]", rule.name);
        if (rule.repeatable) text += fmt::format(", or several [[{}.X]]", rule.name);
        text += fmt::format("; {}.X = false leaves one out", rule.name);
        if (rule.numbered)
            text += "; X counts from 0 on";
        else if (rule.shape == Shape::Named)
            text += "; X begins with a-z and has at most 20 of a-z, 0-9 and -";
        return text;
    }
    std::vector<std::string> ways;
    if (rule.switchable) ways.emplace_back("true or false");
    if (!rule.short_key.empty()) ways.push_back(fmt::format("its {} alone", rule.short_key));
    ways.push_back(fmt::format("a table [{}]", rule.name));
    return fmt::format("{}", fmt::join(ways, ", or "));
}

void add_doc(Explanation& explanation, const KeyDoc& doc) {
    explanation.meaning = doc.meaning;
    explanation.add("default", std::string(doc.otherwise));
    explanation.add("becomes", std::string(doc.becomes));
    explanation.add("changes", std::string(doc.changes));
    explanation.example = doc.example;
}

Explanation::Group keys_of(std::span<const KeyRule> rules, const std::string& prefix) {
    Explanation::Group group{"Keys", {}};
    for (const auto& rule : rules)
        if (const KeyDoc* doc = key_doc(fmt::format("{}.{}", prefix, rule.name)))
            group.parts.push_back({std::string(rule.name), {}, first_sentence(doc->meaning)});
    return group;
}

Explanation explain(const Word& word) {
    Explanation explanation;
    explanation.path = path_of(word);
    std::string documented(word.table->name);
    for (const auto* key : word.keys) documented += fmt::format(".{}", key->name);
    if (word.table->shape == Shape::Plain) explanation.path = documented = word.table->name;
    explanation.add("takes",
                    word.keys.empty() ? takes_in_words(*word.table) : takes_in_words(*word.keys.back()));
    if (const KeyDoc* doc = key_doc(documented)) add_doc(explanation, *doc);
    if (word.table->shape == Shape::Plain) return explanation;
    const auto rules = word.keys.empty() ? word.table->keys : word.keys.back()->members;
    if (!rules.empty()) explanation.groups.push_back(keys_of(rules, documented));
    return explanation;
}

void add_all(std::vector<Explanation>& all, Word word) {
    all.push_back(explain(word));
    all.back().groups.clear();
    const auto rules = word.keys.empty() ? word.table->keys : word.keys.back()->members;
    word.keys.push_back(nullptr);
    for (const auto& rule : rules) {
        word.keys.back() = &rule;
        add_all(all, word);
    }
}

}  // namespace

std::vector<std::string> path_parts(const std::string& text) {
    if (auto parts = key_path(text)) return *parts;
    std::vector<std::string> parts;
    std::string_view rest = text;
    while (true) {
        const auto dot = rest.find('.');
        parts.emplace_back(rest.substr(0, dot));
        if (dot == std::string_view::npos) return parts;
        rest.remove_prefix(dot + 1);
    }
}

std::string takes_in_words(const KeyRule& rule) {
    const auto says = [&](unsigned bit) { return (rule.takes & bit) != 0; };
    const bool path = says(as_path);
    std::vector<std::string> ways;
    if (says(string) && !rule.words.empty())
        ways.emplace_back(rule.words.size() == 1 ? fmt::format("\"{}\"", rule.words.front())
                                                 : fmt::format("\"{}\"", fmt::join(rule.words, "\", \"")));
    else if (says(string))
        ways.emplace_back(path ? "a path" : "a string");
    if (says(strings)) ways.emplace_back(path ? "a list of paths" : "a list of strings");
    if (says(integers)) ways.emplace_back("a list of integers");
    if (says(integer)) ways.push_back("an integer" + range_in_words(rule));
    if (says(size)) ways.push_back("a size such as \"512M\"" + range_in_words(rule));
    if (says(duration)) ways.emplace_back("a duration such as \"30s\"");
    if (says(processors))
        ways.emplace_back("a number such as 1.5, or \"150%\", from 0.01 to 4096 processors");
    if (says(boolean)) ways.emplace_back("true or false");
    if (says(table)) ways.emplace_back("a table");
    return join_or(ways);
}

std::optional<Explanation> explain_word(const std::vector<std::string>& path) {
    const TableRule* rule = path.empty() ? nullptr : table_rule(path.front());
    if (rule == nullptr) return std::nullopt;
    const auto word = find_word(*rule, Parts(path).subspan(1));
    const bool inside = word.id != "X" && rule->open && rule->shape == Shape::Raw;
    if (inside || (rule->open && word.keys.empty() && !word.unknown.empty())) {
        if (rule->name == "vars") return explain(follow(*rule, "X", {}));
        return std::nullopt;
    }
    if (!word.unknown.empty()) throw_unknown(word);
    return explain(word);
}

std::vector<Explanation> explain_language() {
    std::vector<Explanation> all;
    for (const auto& rule : vocabulary()) {
        if (rule.shape == Shape::Plain)
            all.push_back(explain(follow(rule, "X", {})));
        else
            add_all(all, follow(rule, "X", {}));
    }
    return all;
}

}  // namespace qvm::config
