// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/event_match.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/search.hpp"

namespace qvm::shell {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

/// What the member's value is as text; nothing where there is none.
std::optional<std::string> text_at(const Json& data, const std::vector<std::string>& path) {
    const Json* value = &data;
    for (const std::string& name : path) {
        if (!value->is_object() || !value->contains(name)) return std::nullopt;
        value = &value->at(name);
    }
    if (value->is_string()) return value->get<std::string>();
    return value->dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

EventMatch::EventMatch(const std::string& text) {
    std::istringstream words(text);
    words >> name_;
    if (name_.empty() || name_.find('=') != std::string::npos)
        throw Error(static_cast<ExitCode>(2), fmt::format("'{}' names no event", escape_controls(text)),
                    "an event's name or a pattern comes first, as in 'BLOCK_JOB_* device=disk0'");
    for (std::string word; words >> word;) {
        const auto sign = word.find('=');
        const bool unequal = sign != std::string::npos && sign > 0 && word[sign - 1] == '!';
        Condition condition;
        condition.equal = !unequal;
        if (sign != std::string::npos) condition.path = split(word.substr(0, sign - (unequal ? 1 : 0)), '.');
        if (condition.path.empty())
            throw Error(static_cast<ExitCode>(2), fmt::format("'{}' is no condition", escape_controls(word)),
                        "a condition is written member=value or member!=value");
        condition.pattern = word.substr(sign + 1);
        conditions_.push_back(std::move(condition));
    }
}

bool EventMatch::operator()(const qmp::Event& event) const {
    if (!matches_glob(event.name, name_)) return false;
    return std::ranges::all_of(conditions_, [&](const Condition& condition) {
        const auto text = text_at(event.data, condition.path);
        return (text && matches_glob(*text, condition.pattern)) == condition.equal;
    });
}

}  // namespace qvm::shell
