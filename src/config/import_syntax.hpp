// SPDX-License-Identifier: GPL-3.0-or-later
// How QEMU's command line writes an option's argument: k=v pairs, or JSON. See qemu-options.hx and
// util/keyval.c, util/qemu-option.c of QEMU.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.hpp"

namespace qvm::config {

struct OptionPair {
    std::string key, value;
    bool operator==(const OptionPair&) const = default;
};

/// The pairs of one argument, in order, each taken out by who understands it.
class OptionPairs {
  public:
    OptionPairs() = default;
    explicit OptionPairs(std::vector<OptionPair> pairs) : pairs_(std::move(pairs)) {}

    /// The last value of `key`, which all others of its name yield to; they are gone then.
    std::optional<std::string> take(std::string_view key);
    /// Every value of `key`, in order.
    std::vector<std::string> take_all(std::string_view key);
    /// As QEMU reads booleans: on, yes, true, y.
    std::optional<bool> take_flag(std::string_view key);
    const std::string* find(std::string_view key) const;
    bool empty() const { return pairs_.empty(); }
    const std::vector<OptionPair>& rest() const { return pairs_; }
    void add(std::string key, std::string value) { pairs_.push_back({std::move(key), std::move(value)}); }

  private:
    std::vector<OptionPair> pairs_;
};

/// "a,b=c,d" with the implied key "x" is x=a, b=c, d=on; ",," is a comma within a value. `nowait` and the
/// like are wait=off.
OptionPairs parse_pairs(std::string_view text, std::string_view implied_key);

/// Whom a value is written for. QAPI's members want integers and booleans; properties of devices take strings
/// for them, too.
enum class ValueFor { Qapi, Property };

/// The text of a pair as the TOML value that reads best: true, 4, "4G", "text". Members that are strings
/// whatever they hold (serial, port, ..) stay strings.
Value typed_value(std::string_view key, const std::string& text, ValueFor purpose);

/// Pairs as a table: dots in keys make tables in it, and keys 0, 1, .. arrays.
Table nested_table(const OptionPairs& pairs, ValueFor purpose);

/// Nothing if `text` is no JSON object.
std::optional<Table> json_table(std::string_view text);

/// True for what a TOML string can hold.
bool is_utf8(const std::string& text);

/// A size as -m takes it: without a unit it counts in `unit` bytes. Nothing if it is none.
std::optional<std::uint64_t> option_size(const std::string& text, std::uint64_t unit);

}  // namespace qvm::config
