// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/explain_qemu.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/check_properties.hpp"
#include "config/explain_schema.hpp"
#include "config/rules_options.hpp"

namespace qvm::config {
namespace {

using Parts = std::vector<std::string>;

constexpr const char* usual_machine = "q35";
constexpr const char* usual_cpu = "max";
/// In which a word without a table is looked for, after the devices.
constexpr std::array<const char*, 5> tables_of_types{"blockdev", "object", "netdev", "chardev", "audiodev"};

Parts behind(const Parts& parts, std::size_t count) {
    return {parts.begin() + static_cast<std::ptrdiff_t>(std::min(count, parts.size())), parts.end()};
}

/// The type that the first parts name: some have a dot ("cfi.pflash01"). What is behind them is one property,
/// which may have a dot, too.
template <class Has>
std::optional<QemuWord> dotted(const char* table, const Parts& parts, const Has& has) {
    for (std::size_t count = parts.size(); count > 0; --count) {
        const auto name = fmt::format(
            "{}", fmt::join(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(count), "."));
        if (!has(name)) continue;
        QemuWord word{table, name, {}};
        const auto rest = behind(parts, count);
        if (!rest.empty()) word.inside = {fmt::format("{}", fmt::join(rest, "."))};
        return word;
    }
    return std::nullopt;
}

std::optional<QemuWord> find_device(const Parts& parts, const qapi::Capabilities& qemu) {
    return dotted("device", parts, [&](const std::string& name) { return qemu.has_device(name); });
}

/// Of the usual type, if none is named.
template <class Has>
std::optional<QemuWord> find_or_usual(const char* table, const char* usual, const Parts& parts,
                                      const Has& has) {
    if (auto word = dotted(table, parts, has)) return word;
    QemuWord word{table, usual, {}};
    if (!parts.empty()) word.inside = {fmt::format("{}", fmt::join(parts, "."))};
    return has(usual) ? std::optional(word) : std::nullopt;
}

std::optional<QemuWord> find_typed(const std::string& table, const Parts& parts,
                                   const qapi::Capabilities& qemu) {
    const auto types = types_of(table, qemu);
    if (parts.empty() || std::ranges::find(types, parts.front()) == types.end()) return std::nullopt;
    return QemuWord{table, parts.front(), behind(parts, 1)};
}

const std::vector<qapi::OptionParameter>* option_named(const qapi::Capabilities& qemu,
                                                       std::string_view name) {
    for (const auto& [group, parameters] : qemu.options)
        if (option_of_group(group) == name) return &parameters;
    return nullptr;
}

/// The QOM type that has the properties.
std::string qom_type(const QemuWord& word, const qapi::Capabilities& qemu) {
    if (word.table == "device") return word.type;
    if (word.table == "machine")
        if (const auto* machine = qemu.machine(word.type)) return machine->name + "-machine";
    if (word.table == "cpu")
        if (const auto* model = qemu.cpu_model(word.type)) return model->type;
    return {};
}

std::string takes_in_words(const qapi::Property& property) {
    const auto values = enum_values(property);
    if (!values.empty()) return fmt::format("\"{}\"", fmt::join(values, "\", \""));
    if (property.type == "bool") return "true or false";
    if (property.type == "str" || property.type == "string") return "a string";
    if (property.type == "size") return "a size such as \"512M\"";
    if (property.type.starts_with("link<"))
        return fmt::format("the id of something of the type {}",
                           property.type.substr(5, property.type.size() - 6));
    if (property.type.starts_with("uint") || property.type.starts_with("int"))
        return fmt::format("an integer ({})", property.type);
    return property.type;
}

/// Its description, unless that is the list of its values.
std::string note_of(const qapi::Property& property) {
    const bool only_values = property.description.find(' ') == std::string::npos;
    return only_values ? std::string() : property.description;
}

std::string noun_of(const QemuWord& word) {
    if (word.table == "device") return fmt::format("device \"{}\"", word.type);
    if (word.table == "machine") return fmt::format("machine type \"{}\"", word.type);
    if (word.table == "cpu") return fmt::format("CPU model \"{}\"", word.type);
    return fmt::format("option \"{}\"", word.type);
}

/// What qvm says in another way than QEMU.
std::string owner_of(const QemuWord& word) {
    if (word.table == "option" && word.inside.empty()) return std::string(owner_of_option(word.type));
    if (word.table == "machine" && !word.inside.empty())
        return std::string(owner_of_machine_property(word.inside.front()));
    return {};
}

void describe_type(const QemuWord& word, const std::vector<qapi::Property>& properties,
                   Explanation& explanation) {
    explanation.meaning = fmt::format("The {}.", noun_of(word));
    if (word.table == "device") explanation.example = fmt::format("[device.ID]\ndriver = \"{}\"", word.type);
    if (properties.empty()) {
        explanation.add("takes", "nothing that QEMU tells of");
        return;
    }
    Explanation::Group group{word.table == "option" ? "Parameters" : "Properties", {}};
    for (const auto& property : properties) {
        if (!owner_of({word.table, word.type, {property.name}}).empty()) continue;
        auto takes = takes_in_words(property);
        if (!property.initial.empty()) takes += fmt::format(", default {}", property.initial);
        group.parts.push_back({property.name, std::move(takes), note_of(property)});
    }
    explanation.groups.push_back(std::move(group));
}

void describe_property(const QemuWord& word, const std::vector<qapi::Property>& properties,
                       Explanation& explanation) {
    const auto& name = word.inside.front();
    const auto* property = find_property(properties, name);
    if (property == nullptr) {
        std::vector<std::string> names;
        for (const auto& known : properties) names.push_back(known.name);
        const auto near = nearest(name, names);
        const auto where = to_string({word.table, word.type, {}});
        throw Error(ExitCode::Usage,
                    fmt::format("{} of {} has no {} '{}'", noun_of(word), explanation.qemu,
                                word.table == "option" ? "parameter" : "property", name),
                    near ? fmt::format("did you mean '{}.{}'?", where, *near)
                         : fmt::format("`qvm explain {}` lists them", where));
    }
    const auto note = note_of(*property);
    explanation.meaning =
        fmt::format("{} of the {}.{}", word.table == "option" ? "A parameter" : "A property", noun_of(word),
                    note.empty() ? "" : ' ' + note);
    explanation.add("takes", takes_in_words(*property));
    explanation.add("type", property->type);
    explanation.add("default", property->initial);
}

std::vector<qapi::Property> properties_of(const QemuWord& word, const qapi::Capabilities& qemu) {
    if (word.table == "option") {
        std::vector<qapi::Property> list;
        if (const auto* parameters = option_named(qemu, word.type))
            for (const auto& p : *parameters) {
                const bool flag = p.type == "boolean";
                list.push_back({p.name, flag ? "bool" : p.type == "number" ? "int" : p.type, {}, {}});
            }
        return list;
    }
    const auto* known = qemu.properties_of(qom_type(word, qemu));
    auto list = known == nullptr ? std::vector<qapi::Property>() : *known;
    if (word.table == "machine" && !word.inside.empty())
        if (const auto* legacy = legacy_machine_property(word.inside.front())) list.push_back(*legacy);
    return list;
}

}  // namespace

std::optional<QemuWord> find_qemu_word(const Parts& path, const qapi::Capabilities& qemu) {
    if (path.empty()) return std::nullopt;
    const auto& first = path.front();
    const auto rest = behind(path, 1);
    if (first == "device" || first == "global") return find_device(rest, qemu);
    if (first == "machine")
        return find_or_usual("machine", usual_machine, rest,
                             [&](const std::string& name) { return qemu.machine(name) != nullptr; });
    if (first == "cpu")
        return find_or_usual("cpu", usual_cpu, rest,
                             [&](const std::string& name) { return qemu.cpu_model(name) != nullptr; });
    if (first == "option")
        return dotted("option", rest,
                      [&](const std::string& name) { return option_named(qemu, name) != nullptr; });
    if (first == "iothread") return QemuWord{"object", "iothread", behind(path, path.size() > 2 ? 2 : 1)};
    if (std::ranges::find(tables_of_types, first) != tables_of_types.end())
        return find_typed(first, rest, qemu);
    if (auto device = find_device(path, qemu)) return device;
    for (const auto* table : tables_of_types)
        if (auto word = find_typed(table, path, qemu)) return word;
    return std::nullopt;
}

std::vector<std::string> properties_needed(const QemuWord& word, const qapi::Capabilities& qemu) {
    auto type = qom_type(word, qemu);
    return type.empty() ? std::vector<std::string>() : std::vector{std::move(type)};
}

Explanation explain(const QemuWord& word, const qapi::Capabilities& qemu) {
    Explanation explanation;
    explanation.path = to_string(word);
    explanation.qemu = qemu.to_string();
    if (std::ranges::find(tables_of_types, word.table) != tables_of_types.end()) {
        explain_members(word, qemu.schema, explanation);
        return explanation;
    }
    if (const auto owner = owner_of(word); !owner.empty()) {
        explanation.qemu.clear();
        explanation.meaning =
            owner == "qvm itself" ? "qvm itself gives it." : fmt::format("It is said as '{}'.", owner);
        return explanation;
    }
    const auto properties = properties_of(word, qemu);
    if (word.inside.empty())
        describe_type(word, properties, explanation);
    else
        describe_property(word, properties, explanation);
    return explanation;
}

std::vector<std::string> types_of(const std::string& table, const qapi::Capabilities& qemu) {
    if (table == "device" || table == "global") return qemu.device_types;
    std::vector<std::string> names;
    if (table == "option") {
        for (const auto& [group, parameters] : qemu.options)
            if (const auto name = option_of_group(group); !name.empty() && owner_of_option(name).empty())
                names.push_back(name);
        return names;
    }
    names = schema_types(table, qemu.schema);
    // The protocol knows objects that this binary was built without.
    if (table == "object" && !qemu.object_types.empty())
        std::erase_if(names, [&](const std::string& name) {
            return std::ranges::find(qemu.object_types, name) == qemu.object_types.end();
        });
    return names;
}

std::string to_string(const QemuWord& word) {
    const auto quoted = [](const std::string& name) {
        return name.find('.') == std::string::npos ? name : fmt::format("\"{}\"", name);
    };
    std::string text = fmt::format("{}.{}", word.table, quoted(word.type));
    for (const auto& part : word.inside) text += '.' + quoted(part);
    return text;
}

}  // namespace qvm::config
