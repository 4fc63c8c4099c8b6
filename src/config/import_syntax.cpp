// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/import_syntax.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/json.hpp"

namespace qvm::config {
namespace {

/// Members that are strings in QEMU, and that people give digits, or words like "on".
constexpr std::array<std::string_view, 41> strings{
    "id",       "addr",      "bus",      "drive",        "netdev",   "chardev",   "serial",
    "mac",      "macaddr",   "port",     "localport",    "host",     "localaddr", "path",
    "file",     "filename",  "data",     "name",         "tag",      "mount_tag", "vendor_id",
    "product",  "vendor",    "version",  "manufacturer", "family",   "sku",       "asset",
    "uuid",     "string",    "model-id", "hv-vendor-id", "password", "node-name", "driver",
    "property", "device_id", "order",    "once",         "base",     "location",
};

/// Members that are lists of integers, written as ranges.
constexpr std::array<std::string_view, 1> integer_lists{"host-nodes"};

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<std::int64_t> as_integer(std::string_view text, int base) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<std::int64_t> as_integer(std::string_view text) {
    const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    if (!all_digits(digits) || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
    return as_integer(text, 10);
}

/// "4g" as "4G"; unchanged if it is no size.
std::string with_large_unit(const std::string& text) {
    if (text.size() < 2 || !all_digits(std::string_view(text).substr(0, text.size() - 1))) return text;
    constexpr std::string_view units = "kmgtpe", large = "KMGTPE";
    const auto unit = units.find(text.back());
    return unit == std::string_view::npos ? text : text.substr(0, text.size() - 1) + large[unit];
}

/// "0-2,5" as [0, 1, 2, 5]; empty if it is no such list.
Array integer_list(std::string_view text) {
    constexpr std::int64_t longest = 1024;
    Array list;
    while (!text.empty()) {
        const auto end = std::min(text.find(','), text.size());
        const std::string_view part = text.substr(0, end);
        const auto dash = part.find('-');
        const auto first = as_integer(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : as_integer(part.substr(dash + 1));
        if (!first || !last || *last - *first > longest) return {};
        for (auto i = *first; i <= *last; ++i) list.emplace_back(Value::Data(i), Origin());
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return list;
}

Value value_of(const Json& json) {
    if (json.is_object()) {
        Table table;
        for (const auto& [key, value] : json.items()) table.set(key, {}, value_of(value));
        return {std::move(table), {}};
    }
    if (json.is_array()) {
        Array array;
        for (const auto& item : json) array.push_back(value_of(item));
        return {std::move(array), {}};
    }
    if (json.is_string()) return {json.get<std::string>(), {}};
    if (json.is_boolean()) return {json.get<bool>(), {}};
    // Beyond 2^63 the language takes a string of digits.
    if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) return {json.dump(), {}};
    if (json.is_number_integer()) return {json.get<std::int64_t>(), {}};
    if (json.is_number()) return {json.get<double>(), {}};
    return {};
}

/// Tables whose keys are 0, 1, .. become arrays.
void make_arrays(Table& table) {
    for (auto& entry : table.entries()) {
        Table* inner = entry.value.table();
        if (inner == nullptr) continue;
        make_arrays(*inner);
        const auto& items = inner->entries();
        const bool numbered = !items.empty() && std::ranges::all_of(items, [&](const Entry& item) {
            return item.key == std::to_string(&item - items.data());
        });
        if (!numbered) continue;
        Array array;
        for (auto& item : inner->entries()) array.push_back(std::move(item.value));
        entry.value.data = std::move(array);
    }
}

void put_at(Table& table, std::string_view path, Value value) {
    const auto dot = path.find('.');
    const std::string key(path.substr(0, dot));
    if (dot == std::string_view::npos) {
        table.set(key, {}, std::move(value));
        return;
    }
    Value* inner = table.find(key);
    if (inner == nullptr || !inner->is_table()) inner = &table.set(key, {}, Value(Table(), {}));
    put_at(*inner->table(), path.substr(dot + 1), std::move(value));
}

std::string_view last_part(std::string_view key) {
    const auto dot = key.rfind('.');
    return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

}  // namespace

std::optional<std::string> OptionPairs::take(std::string_view key) {
    auto all = take_all(key);
    return all.empty() ? std::nullopt : std::optional(std::move(all.back()));
}

std::vector<std::string> OptionPairs::take_all(std::string_view key) {
    std::vector<std::string> values;
    std::erase_if(pairs_, [&](OptionPair& pair) {
        if (pair.key != key) return false;
        values.push_back(std::move(pair.value));
        return true;
    });
    return values;
}

std::optional<bool> OptionPairs::take_flag(std::string_view key) {
    const auto text = take(key);
    if (!text) return std::nullopt;
    return *text == "on" || *text == "yes" || *text == "true" || *text == "y";
}

const std::string* OptionPairs::find(std::string_view key) const {
    const auto found = std::ranges::find(pairs_, key, &OptionPair::key);
    return found == pairs_.end() ? nullptr : &found->value;
}

OptionPairs parse_pairs(std::string_view text, std::string_view implied_key) {
    OptionPairs pairs;
    for (std::size_t begin = 0; begin < text.size();) {
        std::string part;
        std::size_t i = begin;
        std::size_t equals = std::string::npos;
        for (; i < text.size(); ++i) {
            if (text[i] == ',' && (i + 1 == text.size() || text[i + 1] != ',')) break;
            if (text[i] == ',') ++i;
            if (text[i] == '=' && equals == std::string::npos) equals = part.size();
            part += text[i];
        }
        const bool first = begin == 0;
        begin = i + 1;
        if (equals != std::string::npos)
            pairs.add(part.substr(0, equals), part.substr(equals + 1));
        else if (first && !implied_key.empty())
            pairs.add(std::string(implied_key), part);
        else if (part == "nowait" || part == "noserver")
            pairs.add(part.substr(2), "off");
        else if (!part.empty())
            pairs.add(part, "on");
    }
    return pairs;
}

Value typed_value(std::string_view key, const std::string& text, ValueFor purpose) {
    if (std::ranges::find(strings, key) != strings.end()) return {text, {}};
    if (std::ranges::find(integer_lists, key) != integer_lists.end())
        if (auto list = integer_list(text); !list.empty()) return {std::move(list), {}};
    if (text == "on" || text == "true") return {true, {}};
    if (text == "off" || text == "false") return {false, {}};
    if (const auto number = as_integer(text)) return {*number, {}};
    if (purpose == ValueFor::Qapi && text.starts_with("0x"))
        if (const auto number = as_integer(std::string_view(text).substr(2), 16)) return {*number, {}};
    return {with_large_unit(text), {}};
}

Table nested_table(const OptionPairs& pairs, ValueFor purpose) {
    Table table;
    for (const auto& [key, text] : pairs.rest())
        put_at(table, key, typed_value(last_part(key), text, purpose));
    make_arrays(table);
    return table;
}

std::optional<Table> json_table(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    Value value = value_of(json);
    return std::move(*value.table());
}

std::optional<std::uint64_t> option_size(const std::string& text, std::uint64_t unit) {
    constexpr std::string_view units = "bkmgtpe";
    double number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc() || number < 0 || end - parsed.ptr > 1) return std::nullopt;
    double factor = static_cast<double>(unit);
    if (parsed.ptr != end) {
        const auto letter = units.find(static_cast<char>(*parsed.ptr | 0x20));
        if (letter == std::string_view::npos) return std::nullopt;
        factor = std::pow(1024.0, static_cast<double>(letter));
    }
    constexpr double most = 0x1p62;
    const double bytes = number * factor;
    if (bytes > most) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
}

bool is_utf8(const std::string& text) {
    try {
        static_cast<void>(Json(text).dump());
        return true;
    } catch (const Json::type_error&) {
        return false;
    }
}

}  // namespace qvm::config
