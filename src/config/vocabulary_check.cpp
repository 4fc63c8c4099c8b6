// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/vocabulary_check.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

using namespace takes;

template <class Rules>
std::vector<std::string> names_of(const Rules& rules) {
    std::vector<std::string> names;
    for (const auto& rule : rules) names.emplace_back(rule.name);
    return names;
}

bool is_string_array(const Value& value) {
    return value.array() != nullptr && std::ranges::all_of(*value.array(), &Value::is_string);
}

bool is_integer_array(const Value& value) {
    return value.array() != nullptr &&
           std::ranges::all_of(*value.array(), [](const Value& item) { return item.integer() != nullptr; });
}

/// "a string, an integer or a boolean"
std::string expected(unsigned mask) {
    constexpr std::array<std::pair<unsigned, std::string_view>, 9> names{{
        {string, "a string"},
        {strings, "an array of strings"},
        {integers, "an array of integers"},
        {integer, "an integer"},
        {size, "a size such as \"512M\""},
        {duration, "a duration such as \"30s\""},
        {processors, "a number of processors such as 1.5 or \"150%\""},
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
        if (rule.shape == Shape::List) return list(rule, entry);
        const Table* table = entry.value.table();
        if (table == nullptr) return wrong_type(entry.key, entry.value, short_forms(rule));
        if (rule.shape == Shape::Single) return Value(keys(rule, entry.key, *table), entry.value.origin);
        Table copy;
        for (const auto& item : table->entries()) named(rule, item, copy);
        return Value(std::move(copy), entry.value.origin);
    }

    Value list(const TableRule& rule, const Entry& entry) {
        const Array* items = entry.value.array();
        if (items == nullptr || !std::ranges::all_of(*items, &Value::is_table))
            return wrong_type(entry.key, entry.value, fmt::format("tables, [[{}]]", rule.name));
        Array copy;
        for (const auto& item : *items)
            copy.emplace_back(Value::Data(keys(rule, entry.key, *item.table())), item.origin);
        return {std::move(copy), entry.value.origin};
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
        if (rule.numbered) return check_number(rule, item);
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

    bool check_number(const TableRule& rule, const Entry& item) {
        const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
        const auto& key = item.key;
        if (std::ranges::all_of(key, is_digit) && key.size() <= 3 && (key == "0" || key[0] != '0'))
            return true;
        diagnostics_.add({DiagnosticKind::BadValue,
                          item.key_origin,
                          fmt::format("'{}' cannot be the id of a {}", key, rule.name),
                          {},
                          {fmt::format("they are numbered: {0}.0, {0}.1, ...", rule.name)}});
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
            else {
                unknown_key(rule, where, entry);
                put_meant(rule, entry, from, copy);
            }
        }
        return copy;
    }

    /// A key that was mistyped is not missing.
    static void put_meant(const TableRule& rule, const Entry& entry, const Table& from, Table& copy) {
        const auto meant = nearest(entry.key, names_of(rule.keys));
        if (meant && from.find(*meant) == nullptr && copy.find(*meant) == nullptr)
            copy.set(*meant, entry.key_origin, Value({}, entry.key_origin));
    }

    Value checked(const KeyRule& rule, const std::string& where, const Value& value) {
        if ((rule.takes & as_path) != 0 && names_no_path(value)) return empty_path(where, value);
        if (value.is_string() && (rule.takes & string) != 0) return checked_word(rule, where, value);
        if (value.is_string() && (rule.takes & size) != 0) return checked_size(rule, where, value);
        if (value.is_string() && (rule.takes & duration) != 0) return checked_duration(where, value);
        if ((rule.takes & processors) != 0 && !is_told(value)) return checked_processors(rule, where, value);
        if (value.is_table() && !rule.members.empty())
            return {keys({rule.name, Shape::Single, rule.members}, where, *value.table()), value.origin};
        if (value.integer() != nullptr && (rule.takes & (integer | size)) != 0)
            return checked_range(rule, where, value);
        const bool fits = (value.boolean() != nullptr && (rule.takes & boolean) != 0) ||
                          (value.is_table() && (rule.takes & table) != 0) ||
                          (is_string_array(value) && (rule.takes & strings) != 0) ||
                          (is_integer_array(value) && (rule.takes & integers) != 0);
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

    Value checked_size(const KeyRule& rule, const std::string& where, const Value& value) {
        const auto parsed = parse_size(*value.string());
        const auto* bytes = std::get_if<std::uint64_t>(&parsed);
        if (bytes != nullptr && std::in_range<std::int64_t>(*bytes))
            return checked_range(rule, where, {static_cast<std::int64_t>(*bytes), value.origin});
        const auto* why = std::get_if<std::string>(&parsed);
        diagnostics_.add({DiagnosticKind::BadSize,
                          value.origin,
                          why != nullptr ? *why : fmt::format("{} is too large", where),
                          {},
                          {fmt::format("in {}", where)}});
        return {{}, value.origin};
    }

    /// 1.5, 2, "150%"
    static std::optional<double> processors_in(const Value& value) {
        if (value.integer() != nullptr) return static_cast<double>(*value.integer());
        if (const auto* number = std::get_if<double>(&value.data)) return *number;
        const std::string* text = value.string();
        if (text == nullptr) return std::nullopt;
        constexpr double percent = 100;
        double number = 0;
        const auto* end = text->data() + text->size();
        const auto [rest, error] = std::from_chars(text->data(), end, number);
        return error == std::errc() && std::string_view(rest, end) == "%" ? std::optional(number / percent)
                                                                          : std::nullopt;
    }

    Value checked_processors(const KeyRule& rule, const std::string& where, const Value& value) {
        constexpr double thousandths = 1000;
        const auto number = processors_in(value);
        if (!number) return wrong_type(where, value, expected(rule.takes));
        const double exact = *number * thousandths;
        // Written so that "not a number" is none of them.
        if (exact >= static_cast<double>(rule.least) && exact <= static_cast<double>(rule.most))
            return {std::llround(exact), value.origin};
        diagnostics_.add(
            {DiagnosticKind::BadValue,
             value.origin,
             fmt::format("{} cannot be {}", where,
                         value.string() != nullptr ? *value.string() : fmt::format("{}", *number)),
             {},
             {"it takes 0.01 to 4096 processors: 1.5 and \"150%\" are one and a half"}});
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
        const bool is_size = (rule.takes & size) != 0;
        const std::string least = is_size && rule.least > 0
                                      ? format_size(static_cast<std::uint64_t>(rule.least))
                                      : std::to_string(rule.least);
        const std::string range =
            rule.most == INT64_MAX ? "at least " + least : fmt::format("{} to {}", least, rule.most);
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
        const auto names = names_of(vocabulary());
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

}  // namespace

Table checked_copy(const Table& root, Diagnostics& diagnostics) {
    return Checker(diagnostics).root(root);
}

}  // namespace qvm::config
