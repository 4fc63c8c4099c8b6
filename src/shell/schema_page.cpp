// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/schema_page.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "shell/layout.hpp"

namespace qvm::shell {
namespace {

using qapi::Alternate;
using qapi::Array;
using qapi::Builtin;
using qapi::Enum;
using qapi::Object;
using qapi::Type;

const char* word(Builtin builtin) {
    switch (builtin) {
        case Builtin::String:
            return "string";
        case Builtin::Number:
            return "number";
        case Builtin::Integer:
            return "integer";
        case Builtin::Boolean:
            return "boolean";
        case Builtin::Null:
            return "null";
        case Builtin::Any:
            return "anything";
    }
    return "";
}

template <typename Thing>
void features(const Thing& thing, Line& line) {
    if (thing.deprecated) line.push_back({" [deprecated]", Role::Warning});
    if (thing.unstable) line.push_back({" [unstable]", Role::Warning});
}

class Printer {
  public:
    explicit Printer(std::size_t columns) : columns_(columns) {}

    template <typename Thing>
    void title(const Thing& thing, const char* kind, bool allow_oob) {
        Line line{span(thing.name, Role::Name), {" ", Role::Plain}, {kind, Role::Dim}};
        if (allow_oob) line.push_back({", may run out-of-band", Role::Dim});
        features(thing, line);
        flow(line, 0, 4, columns_, lines_);
    }

    void part(const char* name, const Type* type) {
        lines_.emplace_back();
        flow({{name, Role::Title}}, 0, 0, columns_, lines_);
        const auto* object = type == nullptr ? nullptr : std::get_if<Object>(&type->is);
        if (object != nullptr && object->members.empty() && object->variants.empty()) {
            flow({{"none", Role::Dim}}, 2, 2, columns_, lines_);
        } else {
            if (object == nullptr) flow({{in_words(type), Role::Literal}}, 2, 2, columns_, lines_);
            inside(type, object == nullptr ? 6 : 2);
        }
    }

    void note() {
        lines_.emplace_back();
        flow({{"Only the schema is known here. The text is in the manual page qemu-qmp-ref(7), which comes "
               "with QEMU's package (qemu-system-common in Debian).",
               Role::Dim}},
             0, 0, columns_, lines_);
    }

    std::vector<Line> take() { return std::move(lines_); }

  private:
    static constexpr std::size_t deepest = 4;

    /// What a type's words do not say: an enum's values, an object's members.
    void inside(const Type* type, std::size_t indent) {
        if (type == nullptr) return;
        if (const auto* array = std::get_if<Array>(&type->is)) return inside(array->element, indent);
        if (const auto* is = std::get_if<Enum>(&type->is)) return values(*is, indent);
        if (const auto* alternate = std::get_if<Alternate>(&type->is)) {
            for (const auto* choice : alternate->choices) inside(choice, indent);
            return;
        }
        const auto* object = std::get_if<Object>(&type->is);
        if (object == nullptr) return;
        // Types contain themselves: a block device's file is a block device.
        if (std::ranges::find(open_, type) != open_.end() || open_.size() == deepest) {
            flow({{"...", Role::Dim}}, indent, indent, columns_, lines_);
            return;
        }
        open_.push_back(type);
        members(*object, indent);
        branches(*object, indent);
        open_.pop_back();
    }

    void members(const Object& object, std::size_t indent) {
        for (const bool optional : {false, true})
            for (const auto& member : object.members)
                if (member.optional == optional) this->member(member, indent);
    }

    void member(const qapi::Member& member, std::size_t indent) {
        Line line{span(member.name, Role::Key), {": "}, {in_words(member.type), Role::Literal}};
        if (member.optional) line.push_back({" (optional)", Role::Dim});
        features(member, line);
        flow(line, indent, indent + 4, columns_, lines_);
        inside(member.type, indent + 4);
    }

    void values(const Enum& is, std::size_t indent) {
        Line line;
        for (const auto& value : is.values) {
            if (!line.empty()) line.push_back({", ", Role::Plain});
            line.push_back(span(value.name, Role::String));
            features(value, line);
        }
        flow(line, indent, indent, columns_, lines_);
    }

    /// The further members of a union, those of several values that are alike together.
    void branches(const Object& object, std::size_t indent) {
        std::vector<const Type*> done;
        for (const auto& variant : object.variants) {
            const auto* type = variant.type == nullptr ? nullptr : std::get_if<Object>(&variant.type->is);
            if (type == nullptr || (type->members.empty() && type->variants.empty())) continue;
            if (std::ranges::find(done, variant.type) != done.end()) continue;
            done.push_back(variant.type);
            Line line{{"with ", Role::Dim}, span(object.tag, Role::Key)};
            const char* between = " ";
            for (const auto& other : object.variants) {
                if (other.type != variant.type) continue;
                line.push_back({between, Role::Dim});
                line.push_back(span(other.tag_value, Role::String));
                between = ", ";
            }
            flow(line, indent, indent + 4, columns_, lines_);
            inside(variant.type, indent + 4);
        }
    }

    std::size_t columns_;
    std::vector<Line> lines_;
    std::vector<const Type*> open_;
};

}  // namespace

std::string in_words(const Type* type) {
    if (type == nullptr) return "";
    if (const auto* builtin = std::get_if<Builtin>(&type->is)) return word(*builtin);
    if (const auto* array = std::get_if<Array>(&type->is)) return "array of " + in_words(array->element);
    if (std::holds_alternative<Enum>(type->is)) return "enum";
    if (const auto* alternate = std::get_if<Alternate>(&type->is)) {
        std::string text;
        for (const auto* choice : alternate->choices) text += (text.empty() ? "" : " or ") + in_words(choice);
        return text;
    }
    return "object";
}

std::vector<Line> schema_page(const qapi::Command& command, std::size_t columns) {
    Printer printer(columns);
    printer.title(command, "command", command.allow_oob);
    printer.part("Arguments", command.arguments);
    printer.part("Returns", command.returns);
    printer.note();
    return printer.take();
}

std::vector<Line> schema_page(const qapi::Event& event, std::size_t columns) {
    Printer printer(columns);
    printer.title(event, "event", false);
    printer.part("Data", event.data);
    printer.note();
    return printer.take();
}

}  // namespace qvm::shell
