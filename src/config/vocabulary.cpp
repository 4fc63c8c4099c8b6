// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::config {
namespace {

using namespace takes;
using Words = std::string_view;

constexpr std::array<Words, 5> disk_buses{"virtio", "scsi", "nvme", "sata", "usb"};
constexpr std::array<Words, 2> cdrom_buses{"sata", "scsi"};
constexpr std::array<Words, 5> cache_modes{"none", "writeback", "writethrough", "directsync", "unsafe"};
constexpr std::array<Words, 2> aio_modes{"threads", "native"};
constexpr std::array<Words, 2> discard_modes{"ignore", "unmap"};
constexpr std::array<Words, 2> net_types{"user", "none"};
constexpr std::array<Words, 3> console_types{"serial", "virtio", "none"};
constexpr std::array<Words, 2> on_reboot_words{"reset", "stop"};
constexpr std::array<Words, 3> on_crash_words{"stop", "pause", "restart"};
constexpr std::array<Words, 2> jail_modes{"strict", "off"};
constexpr std::array<Words, 3> attach_words{"observe", "operate", "all"};
constexpr std::array<Words, 3> jail_landlock{"auto", "require", "off"};
constexpr std::array<Words, 3> jail_violations{"errno", "kill", "log"};
constexpr std::array<Words, 4> host_kinds{"file", "socket", "tap", "process"};
constexpr std::array<Words, 3> access_words{"ro", "rw", "wo"};
constexpr std::array<Words, 2> socket_modes{"listen", "connect"};
constexpr std::array<Words, 1> process_profiles{"passt"};

constexpr KeyRule enabled_key{"enabled", boolean};

constexpr std::array name_rule{KeyRule{"name", string}};
constexpr std::array defaults_rule{KeyRule{"defaults", boolean}};
constexpr std::array link_down_rule{KeyRule{"link-down", strings}};
constexpr std::array memory_keys{KeyRule{"size", size}};
constexpr std::array cpus_keys{
    KeyRule{"count", integer, {}, 1, 4096},   KeyRule{"sockets", integer, {}, 1, 4096},
    KeyRule{"dies", integer, {}, 1, 4096},    KeyRule{"cores", integer, {}, 1, 4096},
    KeyRule{"threads", integer, {}, 1, 4096}, KeyRule{"max", integer, {}, 1, 4096},
};
constexpr std::array machine_keys{KeyRule{"type", string}, KeyRule{"accel", string | strings}};
constexpr std::array cpu_keys{KeyRule{"model", string}};
constexpr std::array kernel_keys{KeyRule{"image", string | as_path}, KeyRule{"initrd", string | as_path},
                                 KeyRule{"append", string}, KeyRule{"dtb", string | as_path}, enabled_key};
constexpr std::array disk_keys{
    KeyRule{"file", string | as_path},
    KeyRule{"format", string},
    KeyRule{"bus", string, disk_buses},
    KeyRule{"read-only", boolean},
    KeyRule{"cache", string, cache_modes},
    KeyRule{"aio", string, aio_modes},
    KeyRule{"discard", string | boolean, discard_modes},
    KeyRule{"iothread", string},
    KeyRule{"queues", integer, {}, 1, 1024},
    KeyRule{"serial", string},
    KeyRule{"boot", integer, {}, 0, INT32_MAX},
    KeyRule{"share-rw", boolean},
    KeyRule{"blockdev", table},
    KeyRule{"device", table},
    enabled_key,
};
constexpr std::array cdrom_keys{KeyRule{"file", string | as_path}, KeyRule{"bus", string, cdrom_buses},
                                KeyRule{"boot", integer, {}, 0, INT32_MAX}, enabled_key};
constexpr std::array net_keys{
    KeyRule{"type", string, net_types},
    KeyRule{"model", string},
    KeyRule{"mac", string},
    KeyRule{"forward", strings},
    KeyRule{"host-loopback", boolean},
    KeyRule{"mtu", integer, {}, 68, 65520},
    KeyRule{"link", boolean},
    KeyRule{"boot", integer, {}, 0, INT32_MAX},
    KeyRule{"netdev", table},
    KeyRule{"device", table},
    enabled_key,
};
constexpr std::array console_keys{KeyRule{"type", string, console_types}, enabled_key};
constexpr std::array rng_keys{enabled_key};
constexpr std::array iothread_keys{enabled_key};
constexpr std::array hotplug_keys{KeyRule{"pcie-ports", integer, {}, 0, 200}};
constexpr std::array lifecycle_keys{KeyRule{"stop-timeout", duration},
                                    KeyRule{"on-reboot", string, on_reboot_words},
                                    KeyRule{"on-crash", string, on_crash_words}};
constexpr std::array attach_keys{KeyRule{"allow", string, attach_words}};
constexpr std::array jail_keys{
    KeyRule{"mode", string, jail_modes}, KeyRule{"landlock", string, jail_landlock},
    KeyRule{"on-violation", string, jail_violations}, KeyRule{"binds-ro", strings | as_path}};
constexpr std::array qemu_keys{KeyRule{"binary", string | as_path}, KeyRule{"loader", string | as_path},
                               KeyRule{"library-path", string | strings | as_path},
                               KeyRule{"module-dir", string | as_path},
                               KeyRule{"data", string | strings | as_path}};
constexpr std::array host_keys{
    KeyRule{"kind", string, host_kinds},
    KeyRule{"path", string | as_path},
    KeyRule{"access", string, access_words},
    KeyRule{"mode", string, socket_modes},
    KeyRule{"runtime", string},
    KeyRule{"ifname", string},
    KeyRule{"profile", string, process_profiles},
    KeyRule{"command", strings},
};

constexpr std::array tables{
    TableRule{"name", Shape::Plain, name_rule},
    TableRule{"defaults", Shape::Plain, defaults_rule},
    TableRule{"memory", Shape::Single, memory_keys, false, "size", size},
    TableRule{"cpus", Shape::Single, cpus_keys, false, "count", integer},
    TableRule{"machine", Shape::Single, machine_keys, true, "type", string},
    TableRule{"cpu", Shape::Single, cpu_keys, true, "model", string},
    TableRule{"kernel", Shape::Single, kernel_keys, false, {}, 0, true},
    TableRule{"disk", Shape::Named, disk_keys, false, {}, 0, true},
    TableRule{"cdrom", Shape::Named, cdrom_keys, false, {}, 0, true},
    TableRule{"net", Shape::Named, net_keys, false, {}, 0, true},
    TableRule{"console", Shape::Single, console_keys, false, "type", string, true},
    TableRule{"rng", Shape::Single, rng_keys, false, {}, 0, true},
    TableRule{"iothread", Shape::Named, iothread_keys, true, {}, 0, true},
    TableRule{"link-down", Shape::Plain, link_down_rule},
    TableRule{"hotplug", Shape::Single, hotplug_keys},
    TableRule{"lifecycle", Shape::Single, lifecycle_keys},
    TableRule{"jail", Shape::Single, jail_keys},
    TableRule{"attach", Shape::Single, attach_keys},
    TableRule{"qemu", Shape::Single, qemu_keys, false, "binary", string},
    TableRule{"object", Shape::Raw, {}, true},
    TableRule{"chardev", Shape::Raw, {}, true},
    TableRule{"blockdev", Shape::Raw, {}, true},
    TableRule{"netdev", Shape::Raw, {}, true},
    TableRule{"device", Shape::Raw, {}, true},
    TableRule{"host", Shape::Raw, host_keys},
    TableRule{"global", Shape::Raw, {}, true},
    TableRule{"option", Shape::Raw, {}, true, {}, 0, false, true},
};

/// Members of raw tables and overrides that QEMU knows as strings and people fill with digits.
constexpr std::array<Words, 6> raw_strings{"serial", "mac", "filename", "driver", "node-name", "ifname"};

template <class Rules>
std::vector<std::string> names_of(const Rules& rules) {
    std::vector<std::string> names;
    for (const auto& rule : rules) names.emplace_back(rule.name);
    return names;
}

const KeyRule* key_rule(const TableRule& table, std::string_view key) {
    const auto found = std::ranges::find(table.keys, key, &KeyRule::name);
    return found == table.keys.end() ? nullptr : &*found;
}

bool is_string_array(const Value& value) {
    return value.array() != nullptr && std::ranges::all_of(*value.array(), &Value::is_string);
}

/// "a string, an integer or a boolean"
std::string expected(unsigned mask) {
    constexpr std::array<std::pair<unsigned, std::string_view>, 7> names{{
        {string, "a string"},
        {strings, "an array of strings"},
        {integer, "an integer"},
        {size, "a size such as \"512M\""},
        {duration, "a duration such as \"30s\""},
        {boolean, "true or false"},
        {table, "a table"},
    }};
    std::vector<std::string> parts;
    for (const auto& [bit, name] : names)
        if ((mask & bit) != 0) parts.emplace_back(name);
    return join_or(parts);
}

/// Walks the tree beside the vocabulary, copying what is right and reporting the rest.
class Checker {
  public:
    explicit Checker(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    Table root(const Table& from) {
        Table copy;
        for (const auto& entry : from.entries()) {
            const TableRule* rule = table_rule(entry.key);
            if (rule == nullptr)
                unknown_at_top(entry);
            else
                copy.set(entry.key, entry.key_origin, top_level(*rule, entry));
        }
        return copy;
    }

  private:
    Value top_level(const TableRule& rule, const Entry& entry) {
        if (rule.shape == Shape::Plain) return checked(rule.keys.front(), entry.key, entry.value);
        const Table* table = entry.value.table();
        if (table == nullptr) return wrong_type(entry.key, entry.value, short_forms(rule));
        if (rule.shape == Shape::Single) return Value(keys(rule, entry.key, *table), entry.value.origin);
        Table copy;
        for (const auto& item : table->entries()) named(rule, item, copy);
        return Value(std::move(copy), entry.value.origin);
    }

    void named(const TableRule& rule, const Entry& item, Table& copy) {
        const std::string where = fmt::format("{}.{}", rule.name, item.key);
        if (!check_id(rule, item)) return;
        if (rule.shape == Shape::Raw && item.value.boolean() != nullptr && !*item.value.boolean()) return;
        const Array* array = rule.repeatable ? item.value.array() : nullptr;
        if (array != nullptr && std::ranges::all_of(*array, &Value::is_table))
            copy.entries().push_back(item);
        else if (const Table* table = item.value.table())
            copy.entries().push_back(
                {item.key, item.key_origin, {keys(rule, where, *table), item.value.origin}});
        else
            wrong_type(where, item.value, short_forms(rule));
    }

    bool check_id(const TableRule& rule, const Entry& item) {
        const bool free_name = rule.name == "global" || rule.name == "option";
        if (free_name || (rule.shape == Shape::Raw ? is_raw_id(item.key) : is_sugar_id(item.key)))
            return true;
        const std::string_view must = rule.shape == Shape::Raw
                                          ? "begins with a letter and has only letters, digits and . _ -"
                                          : "begins with a-z and has at most 20 of a-z, 0-9 and -";
        diagnostics_.add({DiagnosticKind::BadValue,
                          item.key_origin,
                          fmt::format("'{}' cannot be the id of a {}", item.key, rule.name),
                          {},
                          {fmt::format("an id here {}", must)}});
        return false;
    }

    Table keys(const TableRule& rule, const std::string& where, const Table& from) {
        Table copy;
        for (const auto& entry : from.entries()) {
            const KeyRule* key = key_rule(rule, entry.key);
            if (key != nullptr)
                copy.set(entry.key, entry.key_origin,
                         checked(*key, fmt::format("{}.{}", where, entry.key), entry.value));
            else if (rule.open)
                copy.set(entry.key, entry.key_origin, entry.value);
            else
                unknown_key(rule, where, entry);
        }
        return copy;
    }

    Value checked(const KeyRule& rule, const std::string& where, const Value& value) {
        if ((rule.takes & as_path) != 0 && names_no_path(value)) return empty_path(where, value);
        if (value.is_string() && (rule.takes & string) != 0) return checked_word(rule, where, value);
        if (value.is_string() && (rule.takes & size) != 0) return checked_size(where, value);
        if (value.is_string() && (rule.takes & duration) != 0) return checked_duration(where, value);
        if (value.integer() != nullptr && (rule.takes & (integer | size)) != 0)
            return checked_range(rule, where, value);
        const bool fits = (value.boolean() != nullptr && (rule.takes & boolean) != 0) ||
                          (value.is_table() && (rule.takes & table) != 0) ||
                          (is_string_array(value) && (rule.takes & strings) != 0);
        if (fits) return value;
        if (value.array() != nullptr && (rule.takes & strings) != 0)
            return wrong_type(where + "'s item", *std::ranges::find_if_not(*value.array(), &Value::is_string),
                              "a string");
        return wrong_type(where, value, expected(rule.takes));
    }

    static bool names_no_path(const Value& value) {
        const auto empty = [](const Value& item) { return item.is_string() && item.string()->empty(); };
        return empty(value) || (value.array() != nullptr && std::ranges::any_of(*value.array(), empty));
    }

    Value empty_path(const std::string& where, const Value& value) {
        diagnostics_.add(
            {DiagnosticKind::BadValue, value.origin, fmt::format("{} is an empty path", where), {}, {}});
        return {{}, value.origin};
    }

    Value checked_word(const KeyRule& rule, const std::string& where, const Value& value) {
        const std::string& word = *value.string();
        if (rule.words.empty() || std::ranges::find(rule.words, word) != rule.words.end()) return value;
        const std::vector<std::string> words(rule.words.begin(), rule.words.end());
        diagnostics_.add({DiagnosticKind::BadEnum,
                          value.origin,
                          fmt::format("{} cannot be '{}'", where, word),
                          did_you_mean(word, words),
                          {fmt::format("it takes {}", join_or(words))}});
        return {{}, value.origin};
    }

    Value checked_size(const std::string& where, const Value& value) {
        const auto parsed = parse_size(*value.string());
        const auto* bytes = std::get_if<std::uint64_t>(&parsed);
        if (bytes != nullptr && std::in_range<std::int64_t>(*bytes))
            return {static_cast<std::int64_t>(*bytes), value.origin};
        const auto* why = std::get_if<std::string>(&parsed);
        diagnostics_.add({DiagnosticKind::BadSize,
                          value.origin,
                          why != nullptr ? *why : fmt::format("{} is too large", where),
                          {},
                          {fmt::format("in {}", where)}});
        return {{}, value.origin};
    }

    Value checked_duration(const std::string& where, const Value& value) {
        const auto parsed = parse_duration(*value.string());
        if (const auto* time = std::get_if<std::chrono::milliseconds>(&parsed))
            return {static_cast<std::int64_t>(time->count()), value.origin};
        diagnostics_.add({DiagnosticKind::BadValue,
                          value.origin,
                          std::get<std::string>(parsed),
                          {},
                          {fmt::format("in {}", where)}});
        return {{}, value.origin};
    }

    Value checked_range(const KeyRule& rule, const std::string& where, const Value& value) {
        const std::int64_t number = *value.integer();
        if (number >= rule.least && number <= rule.most) return value;
        const std::string range = rule.most == INT64_MAX ? fmt::format("at least {}", rule.least)
                                                         : fmt::format("{} to {}", rule.least, rule.most);
        const bool is_size = (rule.takes & size) != 0;
        diagnostics_.add({is_size ? DiagnosticKind::BadSize : DiagnosticKind::BadValue,
                          value.origin,
                          fmt::format("{} cannot be {}", where, number),
                          {},
                          {fmt::format("it takes {}", range)}});
        return {{}, value.origin};
    }

    /// Dates and the like became nothing in the reader, which has said so.
    static bool is_told(const Value& value) {
        if (const Array* array = value.array()) return std::ranges::any_of(*array, is_told);
        return std::holds_alternative<std::monostate>(value.data);
    }

    Value wrong_type(const std::string& where, const Value& value, const std::string& wanted) {
        if (is_told(value)) return {{}, value.origin};
        std::vector<std::string> notes;
        if (value.integer() == nullptr && value.string() != nullptr &&
            wanted.find("integer") != std::string::npos)
            notes.emplace_back("numbers are written without quotes");
        diagnostics_.add({DiagnosticKind::BadType,
                          value.origin,
                          fmt::format("{} takes {}, not {}", where, wanted, value.type_name()),
                          {},
                          std::move(notes)});
        return {{}, value.origin};
    }

    static std::string short_forms(const TableRule& rule) {
        unsigned mask = table | rule.short_takes;
        if (rule.switchable || rule.shape == Shape::Raw) mask |= boolean;
        return expected(mask);
    }

    void unknown_at_top(const Entry& entry) {
        const bool is_table = entry.value.is_table();
        const auto names = names_of(tables);
        diagnostics_.add({is_table ? DiagnosticKind::UnknownTable : DiagnosticKind::UnknownKey,
                          entry.key_origin,
                          fmt::format("there is no {} '{}'", is_table ? "table" : "key", entry.key),
                          did_you_mean(entry.key, names),
                          {}});
    }

    void unknown_key(const TableRule& rule, const std::string& where, const Entry& entry) {
        const auto names = names_of(rule.keys);
        Diagnostic d{DiagnosticKind::UnknownKey,
                     entry.key_origin,
                     fmt::format("{} has no key '{}'", where, entry.key),
                     did_you_mean(entry.key, names),
                     {}};
        if (table_rule(entry.key) != nullptr && d.label.empty())
            d.notes.push_back(
                fmt::format("'{}' belongs to the top level: move it above the first [table] header, "
                            "because TOML counts it to the table above it",
                            entry.key));
        d.notes.push_back(fmt::format("its keys are {}", join_or(names)));
        diagnostics_.add(std::move(d));
    }

    Diagnostics& diagnostics_;
};

bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool digit(char c) {
    return c >= '0' && c <= '9';
}

/// The short form of `value` as a table, at the same place.
void expand(const TableRule& rule, Entry& entry) {
    Value& value = entry.value;
    const bool flag = value.boolean() != nullptr && rule.switchable;
    const bool word = (value.is_string() && (rule.short_takes & (string | size)) != 0) ||
                      (value.integer() != nullptr && (rule.short_takes & (integer | size)) != 0);
    if (!flag && !word) return;
    const Origin origin = value.origin;
    Table table;
    table.set(std::string(flag ? "enabled" : rule.short_key), entry.key_origin, std::move(value));
    value = Value(std::move(table), origin);
}

}  // namespace

std::span<const TableRule> vocabulary() {
    return tables;
}

const TableRule* table_rule(std::string_view name) {
    const auto found = std::ranges::find(tables, name, &TableRule::name);
    return found == tables.end() ? nullptr : &*found;
}

void expand_short_forms(Table& root) {
    for (auto& entry : root.entries()) {
        const TableRule* rule = table_rule(entry.key);
        if (rule == nullptr) continue;
        if (rule->shape == Shape::Single) expand(*rule, entry);
        if (rule->shape != Shape::Named || !entry.value.is_table()) continue;
        for (auto& item : entry.value.table()->entries()) expand(*rule, item);
    }
}

unsigned takes_at(std::span<const std::string> path) {
    const TableRule* rule = path.empty() ? nullptr : table_rule(path.front());
    if (rule == nullptr) return 0;
    if (rule->shape == Shape::Plain) return path.size() == 1 ? rule->keys.front().takes : 0;
    const std::size_t depth = rule->shape == Shape::Single ? 1 : 2;
    if (path.size() == depth) return rule->short_takes | table | boolean;
    if (path.size() < depth) return 0;
    const KeyRule* key = path.size() == depth + 1 ? key_rule(*rule, path.back()) : nullptr;
    if (key != nullptr) return key->takes;
    const bool below_qemu = rule->shape == Shape::Raw || path.size() > depth + 1;
    return below_qemu && std::ranges::find(raw_strings, path.back()) != raw_strings.end() ? string : 0;
}

Table checked_copy(const Table& root, Diagnostics& diagnostics) {
    return Checker(diagnostics).root(root);
}

bool is_sugar_id(std::string_view id) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || digit(c) || c == '-'; };
    return !id.empty() && id.size() <= 20 && id[0] >= 'a' && id[0] <= 'z' && std::ranges::all_of(id, fits);
}

bool is_vm_name(std::string_view name) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || digit(c) || c == '-'; };
    return !name.empty() && name.size() <= longest_vm_name && name[0] >= 'a' && name[0] <= 'z' &&
           std::ranges::all_of(name, fits);
}

bool is_raw_id(std::string_view id) {
    const auto fits = [](char c) { return letter(c) || digit(c) || c == '.' || c == '_' || c == '-'; };
    return !id.empty() && letter(id[0]) && std::ranges::all_of(id, fits);
}

}  // namespace qvm::config
