// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/toml_reader.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace qvm::config {
namespace {

/// Deeper keys than this are no configuration; TOML libraries recurse over them.
constexpr int deepest_key = 100;

Origin origin_of(const Positions& positions, const toml::source_region& region) {
    return positions.of({region.begin.line, region.begin.column}, {region.end.line, region.end.column});
}

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
            to.entries().push_back(
                {std::string(key->str()), origin_of(positions_, key->source()), value(*node)});
        return to;
    }

  private:
    Value value(const toml::node& node) {
        const Origin origin = origin_of(positions_, node.source());
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
    Origin origin = origin_of(positions, error.source());
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

/// The first line with a key of more than deepest_key parts, or 0.
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

}  // namespace

Positions::Positions(FileName file, std::string_view text, std::uint32_t first_line, Via via)
    : file_(std::move(file)), first_line_(first_line), via_(std::move(via)) {
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines_.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
}

Origin Positions::of(Place begin, Place end) const {
    const std::uint32_t first = byte_column(begin);
    const std::uint32_t last = end.line == begin.line ? byte_column(end) : line_end(begin.line);
    return {file_, begin.line + first_line_ - 1, first, last > first ? last - first : 1, via_};
}

Origin Positions::line(std::uint32_t number) const {
    const std::string_view text = at(number);
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    const std::size_t end = text.find_last_not_of(" \t\r") + 1;
    return {file_, number + first_line_ - 1, static_cast<std::uint32_t>(begin + 1),
            static_cast<std::uint32_t>(end > begin ? end - begin : 1), via_};
}

std::string_view Positions::at(std::uint32_t line) const {
    return line == 0 || line > lines_.size() ? std::string_view() : lines_[line - 1];
}

std::uint32_t Positions::line_end(std::uint32_t line) const {
    return static_cast<std::uint32_t>(at(line).size() + 1);
}

std::uint32_t Positions::byte_column(Place place) const {
    const std::string_view text = at(place.line);
    std::uint32_t characters = 1;
    std::size_t byte = 0;
    while (characters < place.character && byte < text.size()) {
        ++byte;
        while (byte < text.size() && (static_cast<unsigned char>(text[byte]) & 0xC0U) == 0x80U) ++byte;
        ++characters;
    }
    return static_cast<std::uint32_t>(byte + 1);
}

std::optional<Table> read_toml(std::string_view text, const Positions& positions, Diagnostics& diagnostics) {
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

}  // namespace qvm::config
