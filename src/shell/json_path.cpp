// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_path.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "shell/json_text.hpp"

namespace qvm::shell {
namespace {

std::optional<std::size_t> number_of(std::string_view text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// Takes "[3]", "[]" off the front.
std::optional<JsonPath::Step> take_index(std::string_view& text) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const auto inside = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    JsonPath::Step step;
    step.is_index = true;
    step.index = number_of(inside);
    if (!step.index && !inside.empty()) return std::nullopt;
    return step;
}

std::optional<JsonPath::Step> take_name(std::string_view& text) {
    JsonPath::Step step;
    if (text.starts_with('"')) {
        JsonScanner scanner(text);
        const auto token = scanner.next();
        if (token->end < 2 || text[token->end - 1] != '"') return std::nullopt;
        step.name = json_string_value(token->of(text));
        text.remove_prefix(token->end);
        return step;
    }
    const auto end = std::min(text.find_first_of(".["), text.size());
    if (end == 0) return std::nullopt;
    step.name = text.substr(0, end);
    text.remove_prefix(end);
    return step;
}

/// The elements of the array that `json` is: all, or the one of the index.
void add_elements(std::string_view json, std::optional<std::size_t> index,
                  std::vector<std::string_view>& found) {
    JsonScanner scanner(json);
    const auto open = scanner.next();
    if (!open || open->kind != JsonToken::Kind::Begin || json[open->begin] != '[') return;
    for (std::size_t place = 0;; ++place) {
        auto peek = scanner;
        const auto token = peek.next();
        if (!token || token->kind == JsonToken::Kind::End) return;
        if (token->kind == JsonToken::Kind::Comma || token->kind == JsonToken::Kind::Colon) {
            scanner = peek;
            --place;
            continue;
        }
        const auto end = scanner.skip_value();
        if (!index || *index == place) found.push_back(json.substr(token->begin, end - token->begin));
        if (index && *index == place) return;
    }
}

}  // namespace

std::optional<JsonPath> JsonPath::parse(std::string_view text) {
    JsonPath path;
    if (text == ".") return path;
    if (text.empty()) return std::nullopt;
    if (text.starts_with('.') && text[1] != '[') text.remove_prefix(1);
    for (bool first = true; !text.empty(); first = false) {
        if (text.starts_with(".[")) text.remove_prefix(1);
        if (text.starts_with('[')) {
            auto step = take_index(text);
            if (!step) return std::nullopt;
            path.steps.push_back(std::move(*step));
            continue;
        }
        if (!first) {
            if (!text.starts_with('.')) return std::nullopt;
            text.remove_prefix(1);
            if (text.empty()) return std::nullopt;
        }
        auto step = take_name(text);
        if (!step) return std::nullopt;
        path.steps.push_back(std::move(*step));
    }
    return path;
}

std::vector<std::string_view> json_values_at(std::string_view json, const JsonPath& path) {
    std::vector<std::string_view> values{json};
    for (const auto& step : path.steps) {
        std::vector<std::string_view> next;
        for (const auto value : values) {
            if (step.is_index) {
                add_elements(value, step.index, next);
            } else if (const auto member = json_member(value, step.name)) {
                next.push_back(*member);
            } else if (const auto index = number_of(step.name)) {
                add_elements(value, index, next);
            }
        }
        values = std::move(next);
    }
    return values;
}

}  // namespace qvm::shell
