// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_properties.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::config {
namespace {

using qapi::Path;
using qapi::Problem;
using qapi::ProblemKind;
using qapi::Property;

/// The integer types, by QOM's and QAPI's names for them.
struct IntegerType {
    std::string_view name;
    IntegerRange range;
};

constexpr std::array integer_types{
    IntegerType{"uint4", {0, 15}},
    IntegerType{"uint8", {0, UINT8_MAX}},
    IntegerType{"uint16", {0, UINT16_MAX}},
    IntegerType{"uint32", {0, UINT32_MAX}},
    IntegerType{"uint64", {0, UINT64_MAX}},
    IntegerType{"uint8_t", {0, UINT8_MAX}},
    IntegerType{"uint16_t", {0, UINT16_MAX}},
    IntegerType{"uint32_t", {0, UINT32_MAX}},
    IntegerType{"uint64_t", {0, UINT64_MAX}},
    IntegerType{"size", {0, UINT64_MAX}},
    IntegerType{"int8", {INT8_MIN, INT8_MAX}},
    IntegerType{"int16", {INT16_MIN, INT16_MAX}},
    IntegerType{"int32", {INT32_MIN, INT32_MAX}},
    IntegerType{"int64", {INT64_MIN, INT64_MAX}},
    IntegerType{"int", {INT64_MIN, INT64_MAX}},
};

constexpr std::array string_types{"str", "string", "QemuUUID"};

void problem(std::vector<Problem>& problems, ProblemKind kind, const Path& path, std::string message,
             std::string nearest_value = {}, std::vector<std::string> allowed = {}) {
    problems.push_back({kind, path, std::move(message), std::move(nearest_value), std::move(allowed)});
}

std::string_view type_name(const Json& value) {
    if (value.is_null()) return "nothing";
    if (value.is_boolean()) return "a boolean";
    if (value.is_number_integer()) return "an integer";
    if (value.is_number()) return "a fractional number";
    if (value.is_string()) return "a string";
    return value.is_array() ? "an array" : "a table";
}

std::optional<bool> word_as_boolean(std::string_view word) {
    if (word == "on" || word == "yes" || word == "true") return true;
    if (word == "off" || word == "no" || word == "false") return false;
    return std::nullopt;
}

Json check_boolean(const Json& value, const Path& path, std::vector<Problem>& problems) {
    if (value.is_boolean()) return value;
    // "on" and "off" are what QEMU's own manual writes, so they are taken; JSON wants a boolean.
    if (value == "on") return true;
    if (value == "off") return false;
    std::string hint;
    if (value.is_string())
        if (const auto flag = word_as_boolean(value.get_ref<const std::string&>()))
            hint = *flag ? "true" : "false";
    problem(problems, ProblemKind::WrongType, path,
            fmt::format("must be true or false, not {}", type_name(value)), std::move(hint));
    return value;
}

/// An integer from a size string, digits or hexadecimal digits; nothing (and a problem) if it is none.
std::optional<Json> text_as_integer(const std::string& text, const Path& path,
                                    std::vector<Problem>& problems) {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    if (const auto parsed = std::from_chars(text.data(), end, number);
        parsed.ec == std::errc() && parsed.ptr == end)
        return Json(number);
    std::uint64_t hex = 0;
    if (text.starts_with("0x"))
        if (const auto parsed = std::from_chars(text.data() + 2, end, hex, 16);
            parsed.ec == std::errc() && parsed.ptr == end)
            return Json(hex);
    if (text.empty() || text.front() < '0' || text.front() > '9') {
        problem(problems, ProblemKind::WrongType, path, "must be an integer, not a string");
        return std::nullopt;
    }
    const auto size = parse_size(text);
    if (const auto* bytes = std::get_if<std::uint64_t>(&size)) return Json(*bytes);
    problem(problems, ProblemKind::BadSize, path, std::get<std::string>(size));
    return std::nullopt;
}

Json check_integer(const IntegerRange& range, const Json& value, const Path& path,
                   std::vector<Problem>& problems) {
    Json number = value;
    if (value.is_string()) {
        auto converted = text_as_integer(value.get_ref<const std::string&>(), path, problems);
        if (!converted) return value;
        number = std::move(*converted);
    }
    if (!number.is_number_integer()) {
        problem(problems, ProblemKind::WrongType, path,
                fmt::format("must be an integer, not {}", type_name(value)));
        return value;
    }
    const bool fits = number.is_number_unsigned()
                          ? number.get<std::uint64_t>() <= range.most
                          : number.get<std::int64_t>() >= range.least &&
                                (number.get<std::int64_t>() < 0 ||
                                 static_cast<std::uint64_t>(number.get<std::int64_t>()) <= range.most);
    if (fits) return number;
    problem(problems, ProblemKind::OutOfRange, path,
            fmt::format("must be between {} and {}, not {}", range.least, range.most, number.dump()));
    return value;
}

Json check_enum(std::vector<std::string> values, const Json& value, const Path& path,
                std::vector<Problem>& problems) {
    const auto has = [&](std::string_view v) { return std::ranges::find(values, v) != values.end(); };
    if (value.is_boolean() && has("on") && has("off")) return value.get<bool>() ? "on" : "off";
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!value.is_string() && !value.is_number_integer()) {
        problem(problems, ProblemKind::WrongType, path,
                fmt::format("must be a string, not {}", type_name(value)));
        return value;
    }
    if (has(text)) return text;
    auto near = nearest(text, values).value_or("");
    problem(problems, ProblemKind::NotInEnum, path, fmt::format("has no value '{}'", text), std::move(near),
            std::move(values));
    return value;
}

bool is_hex(std::string_view text, std::size_t most) {
    return !text.empty() && text.size() <= most &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

bool is_mac(std::string_view text) {
    if (text.size() != 17) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool good = i % 3 == 2 ? text[i] == ':' || text[i] == '-' : is_hex(text.substr(i, 1), 1);
        if (!good) return false;
    }
    return true;
}

/// "3", "0x3", "03.1"
bool is_pci_address(std::string_view text) {
    if (const auto dot = text.find('.'); dot != std::string_view::npos) {
        const auto function = text.substr(dot + 1);
        if (function.size() != 1 || function[0] < '0' || function[0] > '7') return false;
        text = text.substr(0, dot);
    }
    if (text.starts_with("0x")) text.remove_prefix(2);
    unsigned slot = 0;
    return is_hex(text, 2) &&
           std::from_chars(text.data(), text.data() + text.size(), slot, 16).ec == std::errc() && slot < 32;
}

Json check_address(const Json& value, const Path& path, std::vector<Problem>& problems) {
    if (value.is_number_integer() && value >= -1 && value < 256) return value;
    if (value.is_string() && is_pci_address(value.get_ref<const std::string&>())) return value;
    problem(
        problems, ProblemKind::OutOfRange, path,
        fmt::format("must be a slot and maybe a function, as in \"0x3\" or \"0x3.1\", not {}", value.dump()));
    return value;
}

Json check_string(const Property& property, const Json& value, const Path& path,
                  std::vector<Problem>& problems) {
    if (!value.is_string()) {
        problem(problems, ProblemKind::WrongType, path,
                fmt::format("must be a string, not {}", type_name(value)),
                value.is_number_integer() ? fmt::format("\"{}\"", value.dump()) : "");
        return value;
    }
    if (property.description.starts_with("Ethernet 6-byte MAC") &&
        !is_mac(value.get_ref<const std::string&>()))
        problem(problems, ProblemKind::OutOfRange, path,
                fmt::format("must be a MAC address as \"52:54:00:12:34:56\", not {}", value.dump()));
    return value;
}

}  // namespace

std::optional<IntegerRange> integer_range(const Property& property) {
    const auto found = std::ranges::find(integer_types, property.type, &IntegerType::name);
    return found == integer_types.end() ? std::nullopt : std::optional(found->range);
}

bool is_text(const Property& property) {
    return property.type.starts_with("link<") ||
           std::ranges::find(string_types, property.type) != string_types.end();
}

std::vector<std::string> enum_values(const Property& property) {
    if (property.type == "bool" || is_text(property) || integer_range(property)) return {};
    // The last word of the description that has a slash: "Error handling policy, report/ignore/stop", since
    // QEMU 9.1 "Error handling policy (report/ignore/stop)".
    constexpr std::string_view between = " ()";
    std::string_view rest = property.description, list;
    while (!rest.empty()) {
        const auto end = rest.find_first_of(between);
        const auto word = rest.substr(0, end);
        if (word.find('/') != std::string_view::npos) list = word;
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    std::vector<std::string> values;
    while (!list.empty()) {
        const auto slash = list.find('/');
        values.emplace_back(list.substr(0, slash));
        list = slash == std::string_view::npos ? std::string_view() : list.substr(slash + 1);
    }
    if (values.empty() && property.type == "OnOffAuto") values = {"on", "off", "auto"};
    if (values.empty() && property.type == "OnOffSplit") values = {"on", "off", "split"};
    return values;
}

Json check_property(const Property& property, const Json& value, const Path& path,
                    std::vector<Problem>& problems) {
    if (property.description.starts_with("Slot and optional function number"))
        return check_address(value, path, problems);
    if (property.type == "bool") return check_boolean(value, path, problems);
    if (is_text(property)) return check_string(property, value, path, problems);
    if (const auto range = integer_range(property)) return check_integer(*range, value, path, problems);
    if (auto values = enum_values(property); !values.empty())
        return check_enum(std::move(values), value, path, problems);
    return value;  // a structure nobody describes: QEMU itself will say
}

const Property* find_property(const std::vector<Property>& properties, std::string_view name) {
    const auto found = std::ranges::find(properties, name, &Property::name);
    return found == properties.end() ? nullptr : &*found;
}

}  // namespace qvm::config
