// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/overrides.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/composition.hpp"
#include "config/toml_reader.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

constexpr const char* set_name = "--set";
constexpr const char* unset_name = "--unset";

/// The first '=' outside quotes.
std::size_t find_equals(std::string_view text) {
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote != 0)
            quote = c == quote ? char{0} : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '=')
            return i;
    }
    return std::string::npos;
}

/// One --set: KEY=VALUE in the text "--set", line `number`.
class OverrideReader {
  public:
    OverrideReader(const FileName& file, std::string text, std::uint32_t number, Diagnostics& diagnostics)
        : text_(std::move(text)), positions_(file, text_, number), diagnostics_(diagnostics) {}

    std::optional<Table> read() {
        const std::size_t equals = find_equals(text_);
        if (!is_plain_text()) {
            report("--set has bytes that no TOML string can hold");
            return std::nullopt;
        }
        const auto path = key_path(text_.substr(0, equals));
        auto chain = parsed(text_.substr(0, equals + 1) + '0');
        if (!path || !chain) {
            report(fmt::format("'{}' is not a TOML key", text_.substr(0, equals)));
            return std::nullopt;
        }
        if (auto whole = parsed(text_); whole && fits(leaf(*whole, *path), takes_at(*path))) return whole;
        leaf(*chain, *path) = Value(text_.substr(equals + 1), value_origin(equals));
        return chain;
    }

  private:
    bool is_plain_text() const {
        Diagnostics ignored;
        return read_toml("#" + text_, positions_, ignored).has_value();
    }

    std::optional<Table> parsed(const std::string& text) const {
        Diagnostics findings;  // a date is no value of ours: it becomes a string
        auto table = read_toml(text, positions_, findings);
        const bool one_key = table && table->entries().size() == 1 && findings.size() == 0;
        return one_key ? std::move(table) : std::nullopt;
    }

    static Value& leaf(Table& table, const std::vector<std::string>& path) {
        Value* value = table.find(path.front());
        for (std::size_t i = 1; i < path.size(); ++i) value = value->table()->find(path[i]);
        return *value;
    }

    /// Whether the value as TOML is of a type that the key takes; a key of QEMU's takes any.
    static bool fits(const Value& value, unsigned mask) {
        const bool textual = (mask & takes::string) != 0;
        if (mask == 0 || value.is_string() || !textual) return true;
        return (value.array() != nullptr && (mask & takes::strings) != 0) ||
               (value.is_table() && (mask & takes::table) != 0) ||
               (value.boolean() != nullptr && (mask & takes::boolean) != 0);
    }

    Origin value_origin(std::size_t equals) const {
        Origin origin = positions_.line(1);
        origin.column = static_cast<std::uint32_t>(equals + 2);
        origin.length = static_cast<std::uint32_t>(std::max<std::size_t>(1, text_.size() - equals - 1));
        return origin;
    }

    void report(std::string message) {
        diagnostics_.add({DiagnosticKind::TomlSyntax,
                          positions_.line(1),
                          std::move(message),
                          {},
                          {"for example --set memory.size=2G"}});
    }

    std::string text_;
    Positions positions_;
    Diagnostics& diagnostics_;
};

/// The lines of one option, as a text that messages point into.
struct Lines {
    explicit Lines(const char* option) : name(std::make_shared<const std::string>(option)) {}
    FileName name;
    std::string text;
    std::uint32_t count = 0;

    std::string add(std::string line) {
        std::ranges::replace(line, '\n', ' ');
        text += line + '\n';
        ++count;
        return line;
    }
};

class Overrider {
  public:
    Overrider(Document& document, Diagnostics& diagnostics)
        : root_(*document.root.table()), diagnostics_(diagnostics) {}

    void set(const std::string& text) {
        auto line = sets_.add(text);
        auto table = OverrideReader(sets_.name, std::move(line), sets_.count, diagnostics_).read();
        if (!table || says_what_is_read(*table)) return;
        expand_short_forms(*table);
        merge(root_, *table);
    }

    void unset(const std::string& text) {
        const std::string line = unsets_.add(text);
        const Origin origin{unsets_.name, unsets_.count, 1, static_cast<std::uint32_t>(line.size()), nullptr};
        const auto path = key_path(line);
        if (!path)
            diagnostics_.add({DiagnosticKind::TomlSyntax,
                              origin,
                              fmt::format("'{}' is not a TOML key", line),
                              {},
                              {"for example --unset disk.data"}});
        else if (!remove_at(root_, *path))
            diagnostics_.add(nothing_to_unset(root_, *path, origin));
    }

    void end(Document& document) {
        for (auto* lines : {&sets_, &unsets_}) {
            if (lines->count == 0) continue;
            document.names.emplace_back(*lines->name, fs::current_path() / *lines->name);
            diagnostics_.sources.add(*lines->name, std::move(lines->text));
        }
    }

  private:
    bool says_what_is_read(const Table& table) {
        const Entry& entry = table.entries().front();
        if (!is_composition_key(entry.key)) return false;
        diagnostics_.add({DiagnosticKind::Conflict,
                          entry.key_origin,
                          fmt::format("--set cannot say '{}'", entry.key),
                          {},
                          {"it belongs into a file; `-f FILE` merges a further one"}});
        return true;
    }

    Table& root_;
    Diagnostics& diagnostics_;
    Lines sets_{set_name}, unsets_{unset_name};
};

}  // namespace

bool Override::unsets() const {
    return find_equals(text) == std::string::npos;
}

std::optional<std::vector<std::string>> key_path(const std::string& text) {
    if (find_equals(text) != std::string::npos) return std::nullopt;
    Diagnostics ignored;
    const std::string line = text + "=0";
    const auto chain = read_toml(line, Positions({}, line), ignored);
    std::vector<std::string> path;
    const Table* table = chain ? &*chain : nullptr;
    // What stands before the '=' may be a table's header, say, whose rest is a comment.
    while (table != nullptr && table->entries().size() == 1) {
        const Entry& entry = table->entries().front();
        path.push_back(entry.key);
        if (entry.value.integer() != nullptr) return path;
        table = entry.value.table();
    }
    return std::nullopt;
}

bool remove_at(Table& from, const std::vector<std::string>& path) {
    Table* table = &from;
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
        Value* value = table->find(path[i]);
        if (value == nullptr || !value->is_table()) return false;
        table = value->table();
    }
    return table->erase(path.back());
}

void apply_overrides(Document& document, const std::vector<Override>& overrides, Diagnostics& diagnostics) {
    Overrider overrider(document, diagnostics);
    for (const auto& override : overrides)
        override.unsets() ? overrider.unset(override.text) : overrider.set(override.text);
    overrider.end(document);
}

}  // namespace qvm::config
