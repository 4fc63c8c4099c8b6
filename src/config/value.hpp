// SPDX-License-Identifier: GPL-3.0-or-later
// A tree of configuration values in which every value and every key knows where it was written.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_fwd.hpp"
#include "base/origin.hpp"

namespace qvm::config {

struct Entry;
class Value;
using Array = std::vector<Value>;

/// Ordered by first appearance; keys are unique.
class Table {
  public:
    // In the source, where Entry is complete.
    Table();
    Table(const Table& other);
    Table(Table&& other) noexcept;
    Table& operator=(const Table& other);
    Table& operator=(Table&& other) noexcept;
    ~Table();

    const Value* find(std::string_view key) const;
    Value* find(std::string_view key);
    const Entry* entry(std::string_view key) const;
    /// Adds or replaces; a replaced key keeps its place, and takes the new key origin.
    Value& set(std::string key, Origin key_origin, Value value);
    /// True if it was there.
    bool erase(std::string_view key);
    bool empty() const;
    const std::vector<Entry>& entries() const { return entries_; }
    std::vector<Entry>& entries() { return entries_; }
    std::vector<std::string> keys() const;

  private:
    std::vector<Entry> entries_;
};

class Value {
  public:
    using Data = std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Table>;

    Value() = default;
    Value(Data what, Origin said_at) : data(std::move(what)), origin(std::move(said_at)) {}

    Data data;  ///< monostate is JSON null; TOML has none, lowering does
    Origin origin;

    bool is_table() const { return std::holds_alternative<Table>(data); }
    bool is_string() const { return std::holds_alternative<std::string>(data); }
    const Table* table() const { return std::get_if<Table>(&data); }
    Table* table() { return std::get_if<Table>(&data); }
    const Array* array() const { return std::get_if<Array>(&data); }
    Array* array() { return std::get_if<Array>(&data); }
    const std::string* string() const { return std::get_if<std::string>(&data); }
    const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data); }
    const bool* boolean() const { return std::get_if<bool>(&data); }

    /// "a table", "a string", "an integer", ... for messages.
    std::string_view type_name() const;
};

/// One key of a table.
struct Entry {
    std::string key;
    Origin key_origin;
    Value value;
};

/// Later wins: tables merge, scalars and arrays replace.
void merge(Table& into, const Table& from);

Json to_json(const Value& value);
Json to_json(const Table& table);

}  // namespace qvm::config
