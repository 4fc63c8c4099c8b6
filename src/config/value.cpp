// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/value.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace qvm::config {

Table::Table() = default;
Table::Table(const Table& other) = default;
Table::Table(Table&& other) noexcept = default;
Table& Table::operator=(const Table& other) = default;
Table& Table::operator=(Table&& other) noexcept = default;
Table::~Table() = default;

bool Table::empty() const {
    return entries_.empty();
}

const Entry* Table::entry(std::string_view key) const {
    const auto found = std::ranges::find(entries_, key, &Entry::key);
    return found == entries_.end() ? nullptr : &*found;
}

const Value* Table::find(std::string_view key) const {
    const Entry* found = entry(key);
    return found == nullptr ? nullptr : &found->value;
}

Value* Table::find(std::string_view key) {
    const auto found = std::ranges::find(entries_, key, &Entry::key);
    return found == entries_.end() ? nullptr : &found->value;
}

Value& Table::set(std::string key, Origin key_origin, Value value) {
    const auto found = std::ranges::find(entries_, key, &Entry::key);
    if (found == entries_.end())
        return entries_.emplace_back(Entry{std::move(key), std::move(key_origin), std::move(value)}).value;
    found->key_origin = std::move(key_origin);
    found->value = std::move(value);
    return found->value;
}

bool Table::erase(std::string_view key) {
    return std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; }) > 0;
}

std::vector<std::string> Table::keys() const {
    std::vector<std::string> names;
    names.reserve(entries_.size());
    for (const auto& entry : entries_) names.push_back(entry.key);
    return names;
}

std::string_view Value::type_name() const {
    struct Namer {
        std::string_view operator()(std::monostate) const { return "nothing"; }
        std::string_view operator()(bool) const { return "a boolean"; }
        std::string_view operator()(std::int64_t) const { return "an integer"; }
        std::string_view operator()(double) const { return "a float"; }
        std::string_view operator()(const std::string&) const { return "a string"; }
        std::string_view operator()(const Array&) const { return "an array"; }
        std::string_view operator()(const Table&) const { return "a table"; }
    };
    return std::visit(Namer(), data);
}

void merge(Table& into, const Table& from) {
    for (const auto& entry : from.entries()) {
        Value* present = into.find(entry.key);
        if (present != nullptr && present->is_table() && entry.value.is_table())
            merge(*present->table(), *entry.value.table());
        else
            into.set(entry.key, entry.key_origin, entry.value);
    }
}

Json to_json(const Table& table) {
    Json object = Json::object();
    for (const auto& entry : table.entries()) object[entry.key] = to_json(entry.value);
    return object;
}

Json to_json(const Value& value) {
    struct Converter {
        Json operator()(std::monostate) const { return Json(nullptr); }
        Json operator()(bool flag) const { return Json(flag); }
        Json operator()(std::int64_t number) const { return Json(number); }
        Json operator()(double number) const { return Json(number); }
        Json operator()(const std::string& text) const { return Json(text); }
        Json operator()(const Array& array) const {
            Json list = Json::array();
            for (const auto& item : array) list.push_back(to_json(item));
            return list;
        }
        Json operator()(const Table& table) const { return to_json(table); }
    };
    return std::visit(Converter(), value.data);
}

}  // namespace qvm::config
