// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/import_draft.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/toml_text.hpp"

namespace qvm::config {
namespace {

std::string comment_line(const std::string& text) {
    return text.empty() ? std::string() : fmt::format("# {}\n", escape_controls(text));
}

std::string header_of(const Draft::Part& part) {
    std::string path;
    for (const auto& key : part.path) path += (path.empty() ? "" : ".") + toml_key(key);
    return part.repeated ? fmt::format("[[{}]]\n", path) : fmt::format("[{}]\n", path);
}

}  // namespace

Draft::Part& Draft::Part::put(std::string key, Value value) {
    members.set(std::move(key), {}, std::move(value));
    return *this;
}

void Draft::Part::merge_into(const std::string& key, Table more) {
    if (more.empty()) return;
    Value* inner = members.find(key);
    if (inner == nullptr || !inner->is_table()) inner = &members.set(key, {}, Value(Table(), {}));
    merge(*inner->table(), more);
}

void Draft::set(std::string key, Value value, std::string comment) {
    const auto line = std::ranges::find(lines_, key, &Line::key);
    if (line == lines_.end())
        lines_.push_back({std::move(key), std::move(comment), std::move(value)});
    else
        *line = {std::move(key), std::move(comment), std::move(value)};
}

Draft::Part& Draft::add(std::vector<std::string> path, std::string comment) {
    const std::string id = path.back();
    for (int number = 1; find(path) != nullptr; ++number) path.back() = fmt::format("{}-{}", id, number);
    return at(path, std::move(comment));
}

Draft::Part& Draft::add_repeated(std::vector<std::string> path, std::string comment) {
    parts_.push_back({std::move(path), {std::move(comment)}, {}, true});
    return parts_.back();
}

Draft::Part& Draft::at(const std::vector<std::string>& path, std::string comment) {
    Part* found = find(path);
    Part& part = found == nullptr ? parts_.emplace_back() : *found;
    part.path = path;
    if (!comment.empty()) part.comments.push_back(std::move(comment));
    return part;
}

Draft::Part* Draft::find(const std::vector<std::string>& path) {
    const auto found = std::ranges::find(parts_, path, &Part::path);
    return found == parts_.end() ? nullptr : &*found;
}

std::string Draft::text(std::string_view source) const {
    std::string text = fmt::format("# Translated from {} by `qvm import`.\n\n", source);
    for (const auto& line : lines_)
        text +=
            comment_line(line.comment) + fmt::format("{} = {}\n", toml_key(line.key), toml_value(line.value));
    for (const auto& part : parts_) {
        text += '\n';
        for (const auto& comment : part.comments) text += comment_line(comment);
        text += header_of(part) + toml_lines(part.members);
    }
    if (!remarks_.empty()) text += '\n';
    for (const auto& remark : remarks_) text += comment_line(remark);
    return text;
}

}  // namespace qvm::config
