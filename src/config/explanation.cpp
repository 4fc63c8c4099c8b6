// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/explanation.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace qvm::config {
namespace {

constexpr std::size_t indent = 2;
constexpr std::size_t narrowest = 40;
/// A longer name has a line of its own, so that one of them does not push all texts to the right.
constexpr std::size_t longest_beside = 26;

/// Text that is written from left to right, broken between words.
class Writer {
  public:
    explicit Writer(std::size_t columns) : columns_(std::max(columns, narrowest)) {}

    /// Each line begins at `column`; the first one goes on where the text is.
    void words(std::string_view text, std::size_t column) {
        bool first = true;
        while (!text.empty()) {
            const auto blank = std::min(text.find(' '), text.size());
            word(text.substr(0, blank), column, first);
            text.remove_prefix(std::min(text.size(), blank + 1));
            first = false;
        }
        end_line();
    }

    void start(std::string_view text, std::size_t column) {
        to_column(column);
        text_ += text;
        at_ += display_width(text);
    }

    void to_column(std::size_t column) {
        if (at_ < column) text_.append(column - at_, ' ');
        at_ = std::max(at_, column);
    }

    void end_line() {
        if (at_ > 0) text_ += '\n';
        at_ = 0;
    }

    void blank_line() {
        end_line();
        if (!text_.ends_with("\n\n") && !text_.empty()) text_ += '\n';
    }

    std::string take() { return std::move(text_); }

  private:
    void word(std::string_view text, std::size_t column, bool first) {
        const auto width = display_width(text);
        if (!first && at_ > column && at_ + 1 + width > columns_) end_line();
        if (at_ <= column)
            to_column(column);
        else if (!first)
            start(" ", 0);
        // Nothing but a path is that long.
        while (at_ + display_width(text) > columns_ && columns_ > column) {
            const auto part = cut_to_width(text, columns_ - at_);
            text_ += part;
            text.remove_prefix(part.size());
            text_ += '\n';
            at_ = 0;
            to_column(column);
        }
        start(text, 0);
    }

    std::size_t columns_;
    std::string text_;
    std::size_t at_ = 0;  ///< columns of the line so far
};

std::string text_of(const Explanation::Part& part) {
    if (part.takes.empty() || part.note.empty()) return part.takes + part.note;
    return fmt::format("{}. {}", part.takes, part.note);
}

void write_names(Writer& out, const std::vector<Explanation::Part>& parts) {
    std::string all;
    for (const auto& part : parts) all += (all.empty() ? "" : ", ") + escape_controls(part.name);
    out.words(all, 2 * indent);
}

void write_group(Writer& out, const Explanation::Group& group) {
    out.blank_line();
    out.words(group.title, indent);
    const bool names_only =
        std::ranges::all_of(group.parts, [](const auto& part) { return text_of(part).empty(); });
    if (names_only) return write_names(out, group.parts);
    std::size_t beside = 0;
    for (const auto& part : group.parts)
        if (const auto width = display_width(part.name); width <= longest_beside)
            beside = std::max(beside, width);
    const auto column = 2 * indent + beside + 2;
    for (const auto& part : group.parts) {
        out.start(escape_controls(part.name), 2 * indent);
        if (display_width(part.name) > longest_beside) out.end_line();
        out.to_column(column);
        out.words(escape_controls(text_of(part)), column);
    }
}

void write_lines(Writer& out, std::string_view lines, std::size_t column) {
    while (!lines.empty()) {
        const auto end = std::min(lines.find('\n'), lines.size());
        out.start(lines.substr(0, end), column);
        out.end_line();
        lines.remove_prefix(std::min(lines.size(), end + 1));
    }
}

}  // namespace

void Explanation::add(std::string name, std::string text) {
    if (!text.empty()) facts.push_back({std::move(name), std::move(text)});
}

std::string Explanation::to_text(std::size_t columns) const {
    constexpr std::size_t facts_at = indent + sizeof("example");
    Writer out(columns);
    out.words(escape_controls(path), 0);
    if (!meaning.empty()) out.words(escape_controls(meaning), indent);
    if (!facts.empty() || !example.empty()) out.blank_line();
    for (const auto& fact : facts) {
        out.start(fact.name, indent);
        out.to_column(facts_at);
        out.words(escape_controls(fact.text), facts_at);
    }
    if (!example.empty()) {
        out.start("example", indent);
        write_lines(out, example, facts_at);
    }
    for (const auto& group : groups) write_group(out, group);
    if (!qemu.empty()) {
        out.blank_line();
        out.words(escape_controls(fmt::format("This is what {} says.", qemu)), indent);
    }
    return out.take();
}

Json Explanation::to_json() const {
    Json json = Json::object();
    json["path"] = path;
    json["meaning"] = meaning;
    for (const auto& fact : facts) json[fact.name] = fact.text;
    if (!example.empty()) json["example"] = example;
    if (!groups.empty()) {
        Json& list = json["groups"] = Json::array();
        for (const auto& group : groups) {
            Json parts = Json::array();
            for (const auto& part : group.parts) {
                Json one = Json::object({{"name", part.name}});
                if (!part.takes.empty()) one["takes"] = part.takes;
                if (!part.note.empty()) one["note"] = part.note;
                parts.push_back(std::move(one));
            }
            list.push_back(Json::object({{"title", group.title}, {"parts", std::move(parts)}}));
        }
    }
    json["qemu"] = qemu.empty() ? Json() : Json(qemu);
    return json;
}

std::string first_sentence(std::string_view text) {
    const auto dot = text.find(". ");
    return std::string(dot == std::string_view::npos ? text : text.substr(0, dot + 1));
}

}  // namespace qvm::config
