// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/toml_text.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "config/interpolation.hpp"

namespace qvm::config {
namespace {

struct Writer {
    std::string operator()(std::monostate) const { return "false"; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const {
        if (std::isnan(number)) return "nan";
        if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
        std::string text = fmt::format("{}", number);
        if (text.find_first_of(".e") == std::string::npos) text += ".0";
        return text;
    }
    std::string operator()(const std::string& text) const { return toml_string(text); }
    std::string operator()(const Array& array) const {
        std::string text = "[";
        for (const auto& item : array) text += (text.size() == 1 ? "" : ", ") + toml_value(item);
        return text + ']';
    }
    std::string operator()(const Table& table) const {
        if (table.empty()) return "{}";
        std::string text = "{";
        for (const auto& entry : table.entries())
            text += fmt::format("{} {} = {}", text.size() == 1 ? "" : ",", toml_key(entry.key),
                                toml_value(entry.value));
        return text + " }";
    }
};

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\')
            out += fmt::format("\\{}", c);
        else if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else if (byte < 0x20 || byte == 0x7F)
            out += fmt::format("\\u{:04X}", byte);
        else
            out += c;
    }
    return out + '"';
}

}  // namespace

std::string toml_key(std::string_view key) {
    const auto bare = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-';
    };
    return !key.empty() && std::ranges::all_of(key, bare) ? std::string(key) : in_quotes(key);
}

std::string toml_string(std::string_view text) {
    return in_quotes(without_variables(text));
}

std::string toml_value(const Value& value) {
    return std::visit(Writer(), value.data);
}

std::string toml_lines(const Table& table) {
    std::string text;
    for (const auto& entry : table.entries())
        text += fmt::format("{} = {}\n", toml_key(entry.key), toml_value(entry.value));
    return text;
}

}  // namespace qvm::config
