// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/explain_schema.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace qvm::config {
namespace {

using qapi::Object;
using qapi::Type;

/// Longer lists of words have a part of their own.
constexpr std::size_t words_in_line = 6;
/// More branches than these are only named.
constexpr std::size_t branches_in_full = 8;

struct Command {
    std::string_view table, command, tag, id, noun;
};
constexpr std::array<Command, 5> commands{{
    {"blockdev", "blockdev-add", "driver", "node-name", "blockdev driver"},
    {"object", "object-add", "qom-type", "id", "object"},
    {"netdev", "netdev_add", "type", "id", "netdev type"},
    {"chardev", "chardev-add", "type", "id", "chardev backend"},
    {"audiodev", "query-audiodevs", "driver", "id", "audiodev driver"},
}};

const Command& command_of(std::string_view table) {
    return *std::ranges::find(commands, table, &Command::table);
}

const Object* object_in(const Type* type) {
    if (type == nullptr) return nullptr;
    if (const auto* object = std::get_if<Object>(&type->is)) return object;
    if (const auto* array = std::get_if<qapi::Array>(&type->is)) return object_in(array->element);
    if (const auto* alternate = std::get_if<qapi::Alternate>(&type->is))
        for (const auto* choice : alternate->choices)
            if (const auto* object = object_in(choice)) return object;
    return nullptr;
}

const qapi::Enum* enum_in(const Type* type) {
    if (type == nullptr) return nullptr;
    if (const auto* words = std::get_if<qapi::Enum>(&type->is)) return words;
    if (const auto* array = std::get_if<qapi::Array>(&type->is)) return enum_in(array->element);
    if (const auto* alternate = std::get_if<qapi::Alternate>(&type->is))
        for (const auto* choice : alternate->choices)
            if (const auto* words = enum_in(choice)) return words;
    return nullptr;
}

std::vector<std::string> names_of(const qapi::Enum& words) {
    std::vector<std::string> names;
    for (const auto& value : words.values) names.push_back(value.name);
    return names;
}

/// The union whose tag tells what a thing of the table is.
const Object* union_of(std::string_view table, const qapi::Schema& schema) {
    const Object* object = object_in(schema.described_by(command_of(table).command));
    if (object == nullptr || table != "chardev") return object;
    const auto* backend = object->member("backend");
    return backend == nullptr ? nullptr : object_in(backend->type);
}

std::string in_words(const Type* type);

std::string in_words(qapi::Builtin builtin) {
    switch (builtin) {
        case qapi::Builtin::String:
            return "a string";
        case qapi::Builtin::Number:
            return "a number";
        case qapi::Builtin::Integer:
            return "an integer, or a size such as \"8M\"";
        case qapi::Builtin::Boolean:
            return "true or false";
        case qapi::Builtin::Null:
            return "false for null";
        case qapi::Builtin::Any:
            return "anything";
    }
    return {};
}

std::string in_words(const Type* type) {
    if (type == nullptr) return "nothing";
    if (const auto* builtin = std::get_if<qapi::Builtin>(&type->is)) return in_words(*builtin);
    if (const auto* words = std::get_if<qapi::Enum>(&type->is))
        return words->values.size() > words_in_line
                   ? fmt::format("one of {} words", words->values.size())
                   : fmt::format("\"{}\"", fmt::join(names_of(*words), "\", \""));
    if (const auto* array = std::get_if<qapi::Array>(&type->is))
        return "a list: each " + in_words(array->element);
    if (std::holds_alternative<Object>(type->is)) return "a table";
    std::vector<std::string> choices;
    for (const auto* choice : std::get<qapi::Alternate>(type->is).choices)
        choices.push_back(in_words(choice));
    return join_or(choices);
}

std::string features_of(const auto& thing) {
    return std::string(thing.deprecated ? "Deprecated. " : "") + (thing.unstable ? "Unstable. " : "");
}

Explanation::Part part_of(const qapi::Member& member) {
    auto note = features_of(member) + (member.optional ? "" : "Needed.");
    while (note.ends_with(' ')) note.pop_back();
    return {member.name, in_words(member.type), std::move(note)};
}

/// Needed ones first.
void add_members(const Object& object, std::string title, const std::vector<std::string_view>& hidden,
                 Explanation& explanation) {
    Explanation::Group group{std::move(title), {}};
    for (const bool optional : {false, true})
        for (const auto& member : object.members)
            if (member.optional == optional && std::ranges::find(hidden, member.name) == hidden.end())
                group.parts.push_back(part_of(member));
    if (!group.parts.empty()) explanation.groups.push_back(std::move(group));
}

void add_branches(const Object& object, Explanation& explanation) {
    if (object.tag.empty()) return;
    if (object.variants.size() > branches_in_full) {
        Explanation::Group group{fmt::format("Further members depend on {}, which is one of", object.tag),
                                 {}};
        for (const auto& variant : object.variants) group.parts.push_back({variant.tag_value, {}, {}});
        explanation.groups.push_back(std::move(group));
        return;
    }
    for (const auto& variant : object.variants)
        if (const Object* further = object_in(variant.type)) {
            add_members(*further, fmt::format("With {} = \"{}\" also", object.tag, variant.tag_value), {},
                        explanation);
            add_branches(*further, explanation);
        }
}

void describe(const Object& object, Explanation& explanation) {
    add_members(object, "Members", {}, explanation);
    add_branches(object, explanation);
}

void describe(const Type* type, Explanation& explanation) {
    if (const Object* object = object_in(type)) describe(*object, explanation);
    if (const auto* words = enum_in(type); words != nullptr && words->values.size() > words_in_line) {
        Explanation::Group group{"Words", {}};
        for (const auto& value : words->values) group.parts.push_back({value.name, {}, features_of(value)});
        explanation.groups.push_back(std::move(group));
    }
}

/// A member of an object or of one of its branches; what it was found with.
struct Found {
    const qapi::Member* member = nullptr;
    std::string tag;
    std::vector<std::string> with;  ///< values of the tag
};

Found find_member(const Object& object, std::string_view name) {
    if (const auto* own = object.member(name)) return {own, {}, {}};
    Found found;
    for (const auto& variant : object.variants) {
        const Object* further = object_in(variant.type);
        const auto* member = further == nullptr ? nullptr : find_member(*further, name).member;
        if (member == nullptr) continue;
        if (found.member == nullptr) found = {member, object.tag, {}};
        if (found.member->type == member->type) found.with.push_back(variant.tag_value);
    }
    return found;
}

/// With the tag's value in a path: what it selects.
const Object* branch_of(const Object* object, const std::string& value) {
    return object == nullptr || object->tag.empty() ? nullptr : object_in(object->variant(value));
}

void collect_names(const Object& object, std::vector<std::string>& names) {
    for (const auto& member : object.members) names.push_back(member.name);
    for (const auto& variant : object.variants)
        if (const Object* further = object_in(variant.type)) collect_names(*further, names);
}

[[noreturn]] void throw_no_member(const std::string& where, const Object* object, const std::string& name,
                                  const std::string& qemu) {
    std::vector<std::string> names;
    if (object != nullptr) collect_names(*object, names);
    const auto near = nearest(name, names);
    throw Error(ExitCode::Usage, fmt::format("{} has no member '{}' in {}", where, name, qemu),
                near ? fmt::format("did you mean '{}.{}'?", where, *near)
                     : fmt::format("`qvm explain {}` tells what it takes", where));
}

std::string title_of(const Command& command, const std::string& type) {
    return fmt::format("{} \"{}\"", command.noun, type);
}

/// How the beginning of such a table reads.
std::string beginning(const QemuWord& word) {
    if (word.table == "chardev")
        return fmt::format("[chardev.ID.backend]\ntype = \"{}\"\ndata = {{ .. }}", word.type);
    return fmt::format("[{}.ID]\n{} = \"{}\"", word.table, command_of(word.table).tag, word.type);
}

void describe_type(const QemuWord& word, const Object& all, const Object* own, Explanation& explanation) {
    const auto& command = command_of(word.table);
    explanation.meaning = fmt::format("The {}.", title_of(command, word.type));
    explanation.example = beginning(word);
    if (own != nullptr) {
        add_members(*own, "Members", {}, explanation);
        add_branches(*own, explanation);
    }
    if (word.table != "chardev")
        add_members(all, fmt::format("Members of every {}", word.table), {command.tag, command.id},
                    explanation);
    if (explanation.groups.empty()) explanation.add("takes", "nothing more");
}

}  // namespace

std::vector<std::string> schema_types(const std::string& table, const qapi::Schema& schema) {
    if (std::ranges::find(commands, table, &Command::table) == commands.end()) return {};
    const Object* object = union_of(table, schema);
    const auto* tag = object == nullptr ? nullptr : object->member(object->tag);
    const auto* words = tag == nullptr ? nullptr : enum_in(tag->type);
    return words == nullptr ? std::vector<std::string>() : names_of(*words);
}

void explain_members(const QemuWord& word, const qapi::Schema& schema, Explanation& explanation) {
    const auto& command = command_of(word.table);
    const Object& all = *union_of(word.table, schema);
    const Object* own = object_in(all.variant(word.type));
    // A chardev's members are in `data`, which one need not say here.
    if (word.table == "chardev" && own != nullptr)
        if (const auto* data = own->member("data")) own = object_in(data->type);
    if (word.inside.empty()) return describe_type(word, all, own, explanation);

    QemuWord so_far{word.table, word.type, {}};
    const qapi::Member* member = nullptr;
    const Object* object = own;
    for (const auto& name : word.inside) {
        Found found;
        if (object != nullptr) found = find_member(*object, name);
        const bool outermost = so_far.inside.empty();
        if (found.member == nullptr && outermost && word.table != "chardev") found.member = all.member(name);
        if (const Object* branch = found.member == nullptr ? branch_of(object, name) : nullptr) {
            explanation.add("only", fmt::format("with {} = \"{}\"", object->tag, name));
            object = branch;
            so_far.inside.push_back(name);
            continue;
        }
        if (found.member == nullptr) {
            if (outermost && own == nullptr) object = &all;
            throw_no_member(to_string(so_far), object, name, explanation.qemu);
        }
        if (!found.with.empty())
            explanation.add("only",
                            fmt::format("with {} = \"{}\"", found.tag, fmt::join(found.with, "\", \"")));
        member = found.member;
        object = object_in(member->type);
        so_far.inside.push_back(name);
    }
    explanation.meaning = fmt::format("A member of the {}.", title_of(command, word.type));
    if (member == nullptr || object != object_in(member->type)) return describe(*object, explanation);
    explanation.add("takes", in_words(member->type));
    explanation.add("needed", member->optional ? "no" : "yes");
    auto features = features_of(*member);
    while (features.ends_with(' ')) features.pop_back();
    explanation.add("note", std::move(features));
    describe(member->type, explanation);
}

}  // namespace qvm::config
