// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/document.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/error.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;
using FileName = std::shared_ptr<const std::string>;

constexpr const char* override_name = "--set";
/// Deeper keys than this are no configuration; TOML libraries recurse over them.
constexpr int deepest_key = 100;

/// Positions in one text: the TOML library counts characters, we count bytes.
class Positions {
  public:
    Positions(FileName file, std::string_view text, std::uint32_t first_line)
        : file_(std::move(file)), first_line_(first_line) {
        for (std::size_t begin = 0; begin <= text.size();) {
            const std::size_t end = std::min(text.find('\n', begin), text.size());
            lines_.push_back(text.substr(begin, end - begin));
            begin = end + 1;
        }
    }

    Origin of(const toml::source_region& region) const {
        const std::uint32_t begin = byte_column(region.begin);
        std::uint32_t end =
            region.end.line == region.begin.line ? byte_column(region.end) : line_end(region.begin.line);
        if (end <= begin) end = begin + 1;
        return {file_, region.begin.line + first_line_ - 1, begin, end - begin, nullptr};
    }

    /// The whole of a line but its blanks.
    Origin line(std::uint32_t number) const {
        const std::string_view text = at(number);
        const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
        const std::size_t end = text.find_last_not_of(" \t\r") + 1;
        return {file_, number + first_line_ - 1, static_cast<std::uint32_t>(begin + 1),
                static_cast<std::uint32_t>(end > begin ? end - begin : 1), nullptr};
    }

    std::string_view at(std::uint32_t line) const {
        return line == 0 || line > lines_.size() ? std::string_view() : lines_[line - 1];
    }

  private:
    std::uint32_t line_end(std::uint32_t line) const {
        return static_cast<std::uint32_t>(at(line).size() + 1);
    }

    std::uint32_t byte_column(toml::source_position position) const {
        const std::string_view text = at(position.line);
        std::uint32_t characters = 1;
        std::size_t byte = 0;
        while (characters < position.column && byte < text.size()) {
            ++byte;
            while (byte < text.size() && (static_cast<unsigned char>(text[byte]) & 0xC0U) == 0x80U) ++byte;
            ++characters;
        }
        return static_cast<std::uint32_t>(byte + 1);
    }

    FileName file_;
    std::uint32_t first_line_;
    std::vector<std::string_view> lines_;
};

/// The library's tree as ours.
class Converter {
  public:
    Converter(const Positions& positions, Diagnostics& diagnostics)
        : positions_(positions), diagnostics_(diagnostics) {}

    Table table(const toml::table& from) {
        std::vector<std::pair<const toml::key*, const toml::node*>> sorted;
        for (const auto& [key, node] : from) sorted.emplace_back(&key, &node);
        // The library sorts by name; the file's order is the one a reader knows.
        std::ranges::sort(sorted, [](const auto& a, const auto& b) {
            const auto& x = a.first->source().begin;
            const auto& y = b.first->source().begin;
            return x.line != y.line ? x.line < y.line : x.column < y.column;
        });
        Table to;
        for (const auto& [key, node] : sorted)
            to.entries().push_back({std::string(key->str()), positions_.of(key->source()), value(*node)});
        return to;
    }

  private:
    Value value(const toml::node& node) {
        const Origin origin = positions_.of(node.source());
        if (const auto* inner = node.as_table()) return {table(*inner), origin};
        if (const auto* text = node.as_string()) {
            if (text->get().find('\0') == std::string::npos) return {text->get(), origin};
            diagnostics_.add(
                {DiagnosticKind::BadValue, origin, "no string here can hold a NUL character", {}, {}});
            return {{}, origin};
        }
        if (const auto* number = node.as_integer()) return {number->get(), origin};
        if (const auto* flag = node.as_boolean()) return {flag->get(), origin};
        if (const auto* number = node.as_floating_point()) return {number->get(), origin};
        if (const auto* list = node.as_array()) {
            Array array;
            for (const auto& item : *list) array.push_back(value(item));
            return {std::move(array), origin};
        }
        diagnostics_.add({DiagnosticKind::BadType,
                          origin,
                          "no key takes a date or a time",
                          {},
                          {"write it in quotes if a string is meant"}});
        return {{}, origin};
    }

    const Positions& positions_;
    Diagnostics& diagnostics_;
};

/// What usually lies behind a syntax error, by the words of the library and the line.
std::vector<std::string> syntax_notes(std::string_view words, std::string_view line) {
    const auto says = [&](std::string_view part) { return words.find(part) != std::string_view::npos; };
    std::vector<std::string> notes;
    if (says("existing inline table") || says("existing table as dotted"))
        notes.emplace_back(
            "a table in braces { .. } is complete: to add to it, write it as a [table] header with its keys "
            "on lines of their own");
    if (says("inline table") && says("'\\n'"))
        notes.emplace_back(
            "a table in braces { .. } must end on the line it begins on; over several lines, use a [table] "
            "header");
    if (says("redefine")) return notes;
    const auto equals = line.find('=');
    const auto begin = equals == std::string_view::npos ? equals : line.find_first_not_of(" \t", equals + 1);
    if (begin != std::string_view::npos &&
        (says("value") || says("integer") || says("boolean") || says("float"))) {
        const char first = line[begin];
        const auto end = line.find_first_of(" \t,}#\r", begin);
        if (first != '"' && first != '\'' && first != '{' && first != '[')
            notes.push_back(fmt::format("strings and sizes are written in quotes: \"{}\"",
                                        line.substr(begin, end - begin)));
    }
    return notes;
}

/// The line of the table header that `words` name in quotes: the library has sometimes read on to the next
/// line.
std::uint32_t header_line(std::string_view words, std::uint32_t line, const Positions& positions) {
    const auto open = words.find('\'');
    const auto name = words.substr(open + 1, words.find('\'', open + 1) - open - 1);
    const auto is_header = [&](std::uint32_t number) {
        std::string_view text = positions.at(number);
        const auto begin = text.find_first_not_of(" \t");
        if (begin == std::string_view::npos || text[begin] != '[') return false;
        return text.find(name) != std::string_view::npos;
    };
    for (std::uint32_t number = line; number > 0; --number)
        if (is_header(number)) return number;
    return line;
}

void report_syntax(const toml::parse_error& error, const Positions& positions, Diagnostics& diagnostics) {
    std::string_view words = error.description();
    constexpr std::string_view lead = "Error while parsing ";
    if (words.starts_with(lead)) words.remove_prefix(lead.size());
    Origin origin = positions.of(error.source());
    std::uint32_t line = error.source().begin.line;
    if (words.find("redefine") != std::string_view::npos || words.find("insert") != std::string_view::npos) {
        if (words.starts_with("table header")) line = header_line(words, line, positions);
        origin = positions.line(line);
    }
    diagnostics.add({DiagnosticKind::TomlSyntax,
                     origin,
                     fmt::format("this is not TOML: {}", words),
                     {},
                     syntax_notes(words, positions.at(line))});
}

/// The first line with a key of more than deepest_key parts, or 0: the library would recurse over each part.
std::uint32_t line_with_endless_key(std::string_view text) {
    std::uint32_t line = 1;
    int parts = 0;
    char before = ' ';
    for (const char c : text) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '_' || c == '-' || c == '"' || c == '\'' || c == ' ' || c == '\t';
        if (c == '\n') ++line;
        if (c == '.' && before != '.')
            ++parts;
        else if (!word)
            parts = 0;
        if (parts > deepest_key) return line;
        before = c;
    }
    return 0;
}

std::optional<Table> parse(const FileName& file, std::string_view text, Diagnostics& diagnostics) {
    const Positions positions(file, text, 1);
    if (const auto line = line_with_endless_key(text); line != 0) {
        diagnostics.add({DiagnosticKind::TomlSyntax,
                         positions.line(line),
                         fmt::format("a key has more than {} parts", deepest_key),
                         {},
                         {}});
        return std::nullopt;
    }
    try {
        return Converter(positions, diagnostics).table(toml::parse(text));
    } catch (const toml::parse_error& error) {
        report_syntax(error, positions, diagnostics);
        return std::nullopt;
    }
}

/// One --set: KEY=VALUE in the text "--set", line `number`.
class OverrideReader {
  public:
    OverrideReader(const FileName& file, std::string text, std::uint32_t number, Diagnostics& diagnostics)
        : text_(std::move(text)), positions_(file, text_, number), diagnostics_(diagnostics) {}

    std::optional<Table> read() {
        const std::size_t equals = find_equals();
        if (equals == std::string::npos || !is_plain_text()) {
            report(equals == std::string::npos ? "--set takes KEY=VALUE"
                                               : "--set has bytes that no TOML string can hold");
            return std::nullopt;
        }
        auto chain = parsed(text_.substr(0, equals + 1) + '0');
        if (!chain || key_parts() == 0) {
            report(fmt::format("'{}' is not a TOML key", text_.substr(0, equals)));
            return std::nullopt;
        }
        if (auto whole = parsed(text_); whole && fits(*whole)) return whole;
        *leaf(*chain).first = Value(text_.substr(equals + 1), value_origin(equals));
        return chain;
    }

  private:
    using Leaf = std::pair<Value*, std::vector<std::string>>;

    /// The first '=' outside quotes.
    std::size_t find_equals() const {
        char quote = 0;
        for (std::size_t i = 0; i < text_.size(); ++i) {
            const char c = text_[i];
            if (quote != 0)
                quote = c == quote ? char{0} : quote;
            else if (c == '"' || c == '\'')
                quote = c;
            else if (c == '=')
                return i;
        }
        return std::string::npos;
    }

    bool is_plain_text() const {
        try {
            static_cast<void>(toml::parse("#" + text_));
            return true;
        } catch (const toml::parse_error&) {
            return false;
        }
    }

    std::optional<Table> parsed(const std::string& text) const {
        if (line_with_endless_key(text) != 0) return std::nullopt;
        try {
            Diagnostics dates;  // a date is no value of ours: it becomes a string
            auto table = Converter(positions_, dates).table(toml::parse(text));
            const bool one_key = table.entries().size() == 1 && dates.size() == 0;
            return one_key ? std::optional(std::move(table)) : std::nullopt;
        } catch (const toml::parse_error&) {
            return std::nullopt;
        }
    }

    /// Follows the key of the override to its value.
    Leaf leaf(Table& table) const {
        const std::size_t parts = key_parts();
        std::vector<std::string> path;
        Entry* entry = &table.entries().front();
        path.push_back(entry->key);
        while (path.size() < parts) {
            entry = &entry->value.table()->entries().front();
            path.push_back(entry->key);
        }
        return {&entry->value, std::move(path)};
    }

    /// 0: what stands before the '=' is no key but a table's header, say, whose rest is a comment.
    std::size_t key_parts() const {
        const auto chain = toml::parse(text_.substr(0, find_equals() + 1) + '0');
        const toml::node* node = &chain;
        std::size_t parts = 0;
        for (; node->is_table() && !node->as_table()->empty(); ++parts)
            node = &node->as_table()->cbegin()->second;
        return node->is_integer() ? parts : 0;
    }

    /// Whether the value as TOML is of a type that the key takes; a key of QEMU's takes any.
    bool fits(Table& whole) const {
        const auto [value, path] = leaf(whole);
        const unsigned mask = takes_at(path);
        if (mask == 0) return true;
        const bool textual = (mask & takes::string) != 0;
        if (value->is_string() || !textual) return true;
        return (value->array() != nullptr && (mask & takes::strings) != 0) ||
               (value->is_table() && (mask & takes::table) != 0) ||
               (value->boolean() != nullptr && (mask & takes::boolean) != 0);
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

void apply_overrides(Document& document, const std::vector<Override>& overrides, Diagnostics& diagnostics) {
    if (overrides.empty()) return;
    document.names.emplace_back(override_name, fs::current_path() / override_name);
    const auto file = std::make_shared<const std::string>(override_name);
    std::string all;
    std::uint32_t number = 0;
    for (const auto& override : overrides) {
        std::string line = override.text;
        std::ranges::replace(line, '\n', ' ');
        all += line + '\n';
        auto table = OverrideReader(file, std::move(line), ++number, diagnostics).read();
        if (!table) continue;
        expand_short_forms(*table);
        merge(*document.root.table(), *table);
    }
    diagnostics.sources.add(override_name, std::move(all));
}

std::string reading_advice(const std::string& path) {
    std::error_code ignored;
    for (const auto& near : {fs::path(path) / "vm.toml", fs::path(path + ".toml")})
        if (fs::is_regular_file(near, ignored)) return fmt::format("did you mean '{}'?", near.string());
    return "name a TOML file that says what the VM is";
}

}  // namespace

fs::path Document::directory_of(const Origin& origin) const {
    const auto found = std::ranges::find(names, origin.file_name(), &std::pair<std::string, fs::path>::first);
    return found == names.end() ? fs::path("/") : found->second.parent_path();
}

Document load(const std::vector<SourceText>& texts, const std::vector<Override>& overrides,
              Diagnostics& diagnostics) {
    Document document;
    document.root.data = Table();
    for (const auto& text : texts) {
        diagnostics.sources.add(text.name, text.text);
        document.files.push_back(text.path);
        document.names.emplace_back(text.name, text.path);
        auto table = parse(std::make_shared<const std::string>(text.name), text.text, diagnostics);
        if (!table) continue;
        expand_short_forms(*table);
        if (document.root.table()->empty())
            document.root.data = std::move(*table);
        else
            merge(*document.root.table(), *table);
    }
    apply_overrides(document, overrides, diagnostics);
    return document;
}

UnreadableFile::UnreadableFile(std::string path, int error)
    : SystemError(fmt::format("read '{}'", path), error, reading_advice(path), ExitCode::Invalid),
      path_(std::move(path)) {}

std::vector<SourceText> read_files(const std::vector<std::string>& paths) {
    std::vector<SourceText> texts;
    for (const auto& path : paths) {
        std::error_code ignored;
        const bool directory = fs::is_directory(path, ignored);
        errno = directory ? EISDIR : 0;
        std::ifstream stream;
        if (!directory) stream.open(path, std::ios::binary);
        if (!stream.is_open()) throw UnreadableFile(path, errno);
        std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
        texts.push_back({path, fs::absolute(path).lexically_normal(), std::move(text)});
    }
    return texts;
}

}  // namespace qvm::config
