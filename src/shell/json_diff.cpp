// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_diff.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/json.hpp"
#include "shell/json_lines.hpp"
#include "shell/json_text.hpp"

namespace qvm::shell {
namespace {

/// What is nested deeper is compared as a whole, and not at all when it is the text that is so deep: values
/// of the JSON library are read and written by recursion.
constexpr std::size_t deepest = 1024;

bool is_too_deep(std::string_view json) {
    JsonScanner scanner(json);
    std::size_t depth = 0;
    while (const auto token = scanner.next()) {
        if (token->kind == JsonToken::Kind::Begin && ++depth > deepest) return true;
        if (token->kind == JsonToken::Kind::End && depth > 0) --depth;
    }
    return false;
}

std::string text_of(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string step_of(const std::string& key) {
    constexpr std::string_view word = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const bool simple = !key.empty() && key.find_first_not_of(word) == std::string::npos;
    return "." + (simple ? key : quote_json(key));
}

using Named = std::map<std::string, const Json*>;

/// The elements by the text of a member, if all have it and it tells them apart.
std::optional<Named> named_by(const Json& array, const char* member) {
    Named named;
    for (const auto& element : array) {
        if (!element.is_object()) return std::nullopt;
        const auto found = element.find(member);
        if (found == element.end() || !(found->is_string() || found->is_number_integer()))
            return std::nullopt;
        const auto name = found->is_string() ? found->get<std::string>() : text_of(*found);
        if (name.empty() || !named.emplace(name, &element).second) return std::nullopt;
    }
    return named;
}

class Comparison {
  public:
    std::vector<JsonDifference> differences;

    void compare(const std::string& path, const Json& old_value, const Json& new_value) {
        if (old_value == new_value) return;
        if (old_value.is_object() && new_value.is_object())
            compare_objects(path, old_value, new_value);
        else if (old_value.is_array() && new_value.is_array())
            compare_arrays(path, old_value, new_value);
        else
            differences.push_back({path.empty() ? "." : path, text_of(old_value), text_of(new_value)});
    }

  private:
    void compare_objects(const std::string& path, const Json& old_value, const Json& new_value) {
        for (const auto& [key, value] : old_value.items()) {
            const auto found = new_value.find(key);
            if (found == new_value.end())
                differences.push_back({path + step_of(key), text_of(value), ""});
            else
                compare(path + step_of(key), value, *found);
        }
        for (const auto& [key, value] : new_value.items())
            if (!old_value.contains(key)) differences.push_back({path + step_of(key), "", text_of(value)});
    }

    void compare_arrays(const std::string& path, const Json& old_value, const Json& new_value) {
        constexpr std::array names{"node-name", "qom-path", "qdev", "id",   "device",    "name",
                                   "label",     "filename", "tag",  "type", "cpu-index", "slot"};
        for (const auto* name : names) {
            const auto old_named = named_by(old_value, name);
            const auto new_named = old_named ? named_by(new_value, name) : std::nullopt;
            if (new_named && !(old_named->empty() && new_named->empty()))
                return compare_named(path, name, old_value, new_value, *old_named, *new_named);
        }
        const auto common = std::min(old_value.size(), new_value.size());
        for (std::size_t i = 0; i < std::max(old_value.size(), new_value.size()); ++i) {
            const auto place = fmt::format("{}[{}]", path, i);
            if (i < common)
                compare(place, old_value[i], new_value[i]);
            else if (i < old_value.size())
                differences.push_back({place, text_of(old_value[i]), ""});
            else
                differences.push_back({place, "", text_of(new_value[i])});
        }
    }

    void compare_named(const std::string& path, const char* member, const Json& old_value,
                       const Json& new_value, const Named& old_named, const Named& new_named) {
        const auto name_of_element = [member](const Json& element) {
            const auto& name = element.at(member);
            return name.is_string() ? name.get<std::string>() : text_of(name);
        };
        const auto place = [&](const std::string& name) {
            return fmt::format("{}[{}={}]", path, member, name);
        };
        for (const auto& element : old_value) {
            const auto name = name_of_element(element);
            const auto found = new_named.find(name);
            if (found == new_named.end())
                differences.push_back({place(name), text_of(element), ""});
            else
                compare(place(name), element, *found->second);
        }
        for (const auto& element : new_value) {
            const auto name = name_of_element(element);
            if (!old_named.contains(name)) differences.push_back({place(name), "", text_of(element)});
        }
    }
};

std::vector<JsonDifference> compare_without(std::string_view old_json, std::string_view new_json,
                                            const std::vector<const char*>& left_out) {
    if (old_json == new_json) return {};
    const bool readable =
        is_json(old_json) && is_json(new_json) && !is_too_deep(old_json) && !is_too_deep(new_json);
    auto old_value = readable ? Json::parse(old_json, nullptr, false) : Json(Json::value_t::discarded);
    auto new_value = readable ? Json::parse(new_json, nullptr, false) : Json(Json::value_t::discarded);
    if (old_value.is_discarded() || new_value.is_discarded())
        return {{".", std::string(old_json), std::string(new_json)}};
    for (const auto* member : left_out) {
        if (old_value.is_object()) old_value.erase(member);
        if (new_value.is_object()) new_value.erase(member);
    }
    Comparison comparison;
    comparison.compare("", old_value, new_value);
    return std::move(comparison.differences);
}

}  // namespace

std::vector<JsonDifference> compare_json(std::string_view old_json, std::string_view new_json) {
    return compare_without(old_json, new_json, {});
}

std::vector<JsonDifference> compare_messages(std::string_view old_message, std::string_view new_message) {
    return compare_without(old_message, new_message, {"id", "timestamp"});
}

std::vector<Line> diff_lines(const std::vector<JsonDifference>& differences, std::size_t limit) {
    std::vector<Line> lines;
    const auto add = [&](const char* sign, Role role, const std::string& path, const std::string& value) {
        if (value.empty()) return;
        Line line{{sign, role}, {printable(path, limit), Role::Key}, {": "}};
        for (auto& span : highlight_json(value, limit)) line.push_back(std::move(span));
        if (value.size() > limit) line.push_back({" ...", Role::Dim});
        lines.push_back(std::move(line));
    };
    for (const auto& difference : differences) {
        add("- ", Role::Error, difference.path, difference.old_value);
        add("+ ", Role::Ok, difference.path, difference.new_value);
    }
    if (lines.empty()) lines.push_back({{"no differences", Role::Dim}});
    return lines;
}

std::vector<Line> diff_json(std::string_view old_json, std::string_view new_json, std::size_t limit) {
    return diff_lines(compare_json(old_json, new_json), limit);
}

}  // namespace qvm::shell
