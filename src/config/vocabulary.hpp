// SPDX-License-Identifier: GPL-3.0-or-later
// The words of the language as data: its tables, their keys, and what each key takes. Adding a key begins
// here.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "config/value.hpp"

namespace qvm::config {

/// What a value may be; combined with |.
namespace takes {
inline constexpr unsigned string = 1;
inline constexpr unsigned integer = 2;
inline constexpr unsigned boolean = 4;
inline constexpr unsigned strings = 8;  ///< an array of strings
inline constexpr unsigned table = 16;
inline constexpr unsigned size = 32;         ///< bytes as an integer, or "512M"
inline constexpr unsigned duration = 64;     ///< "30s"
inline constexpr unsigned as_path = 128;     ///< with string or strings: they are paths, which are not empty
inline constexpr unsigned processors = 256;  ///< 1.5, or "150%"
inline constexpr unsigned integers = 512;    ///< an array of integers
}  // namespace takes

struct KeyRule {
    std::string_view name;
    unsigned takes = 0;
    std::span<const std::string_view> words = {};  ///< the strings it takes; empty: any
    std::int64_t least = 0, most = INT64_MAX;      ///< of an integer or a size
    std::span<const KeyRule> members = {};         ///< of a table; empty: any
};

enum class Shape {
    Plain,   ///< name = "web"
    Single,  ///< [machine]
    Named,   ///< [disk.X]
    Raw,     ///< [device.X]: named, by QEMU's own rule for ids
    List,    ///< [[qmp]]
};

/// One name of the top level.
struct TableRule {
    std::string_view name;
    Shape shape = Shape::Single;
    std::span<const KeyRule> keys = {};  ///< Plain: the one rule of its value
    bool open = false;                   ///< takes other keys too: QEMU's schema knows them
    std::string_view short_key = {};     ///< X = "a" means X = { short_key = "a" }
    unsigned short_takes = 0;            ///< what the short form takes, besides a boolean
    bool switchable = false;             ///< X = false means X = { enabled = false }
    bool repeatable = false;             ///< [[X.id]] too
    bool numbered = false;               ///< Named: the ids are numbers
};

std::span<const TableRule> vocabulary();
/// Null if there is none.
const TableRule* table_rule(std::string_view name);

/// Null if the table has no such key.
const KeyRule* key_rule(const TableRule& rule, std::string_view key);

/// Turns the short forms of a text's top level into tables.
void expand_short_forms(Table& root);

/// What the value at this path (short forms included) takes: a mask of `takes`, 0 if the path is not a key of
/// the language.
unsigned takes_at(std::span<const std::string> path);

/// [a-z][a-z0-9-]{0,19}
bool is_sugar_id(std::string_view id);
/// A letter, then letters, digits and . _ -
bool is_raw_id(std::string_view id);

inline constexpr std::size_t longest_vm_name = 63;
inline constexpr std::string_view vm_name_rule =
    "a name begins with a-z and has at most 63 of a-z, 0-9 and -";
bool is_vm_name(std::string_view name);

}  // namespace qvm::config
