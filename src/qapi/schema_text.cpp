// SPDX-License-Identifier: GPL-3.0-or-later
// A schema as lines of fields between tabs, to be saved: the number of types, one line for each of them, then
// commands and events, and an empty line. Types are named by their place. QEMU's names have neither tabs nor
// line ends.
#include <charconv>
#include <unordered_map>

#include <fmt/format.h>

#include "qapi/schema_impl.hpp"

namespace qvm::qapi {
namespace {

constexpr unsigned deprecated = 1, unstable = 2, optional = 4, allow_oob = 8;

unsigned flags_of(const auto& thing) {
    return (thing.deprecated ? deprecated : 0) | (thing.unstable ? unstable : 0);
}

class Writer {
  public:
    explicit Writer(const std::deque<Type>& types) {
        for (const Type& type : types) places_.emplace(&type, places_.size());
        text_ = fmt::format("{}\n", types.size());
        for (const Type& type : types) std::visit([this](const auto& is) { line_of(is); }, type.is);
    }

    void line_of(const Command& c) {
        line('c', c.name, place(c.arguments), place(c.returns), flags_of(c) | (c.allow_oob ? allow_oob : 0));
    }
    void line_of(const Event& e) { line('v', e.name, place(e.data), flags_of(e)); }
    std::string take() { return std::move(text_) + '\n'; }

  private:
    std::size_t place(const Type* type) const { return places_.at(type); }

    template <typename... Fields>
    void fields(const Fields&... values) {
        (fmt::format_to(std::back_inserter(text_), "\t{}", values), ...);
    }
    template <typename... Fields>
    void line(char kind, const Fields&... values) {
        text_ += kind;
        fields(values...);
        text_ += '\n';
    }

    void line_of(Builtin builtin) { line('b', static_cast<unsigned>(builtin)); }
    void line_of(const Array& array) { line('a', place(array.element)); }
    void line_of(const Enum& is) {
        text_ += 'e';
        for (const EnumValue& value : is.values) fields(value.name, flags_of(value));
        text_ += '\n';
    }
    void line_of(const Alternate& alternate) {
        text_ += 'l';
        for (const Type* choice : alternate.choices) fields(place(choice));
        text_ += '\n';
    }
    void line_of(const Object& object) {
        text_ += 'o';
        fields(object.tag, object.members.size());
        for (const Member& m : object.members)
            fields(m.name, place(m.type), flags_of(m) | (m.optional ? optional : 0));
        for (const Object::Variant& v : object.variants) fields(v.tag_value, place(v.type));
        text_ += '\n';
    }

    std::unordered_map<const Type*, std::size_t> places_;
    std::string text_;
};

/// Thrown and caught here only.
struct Damaged {};

class Reader {
  public:
    explicit Reader(std::string_view& text) : text_(text) {}

    /// False at the empty line.
    bool next_line() {
        const auto end = text_.find('\n');
        if (end == std::string_view::npos) throw Damaged{};
        line_ = text_.substr(0, end);
        text_.remove_prefix(end + 1);
        at_end_ = line_.empty();
        return !line_.empty();
    }
    bool at_end() const { return at_end_; }
    std::string_view field() {
        if (at_end_) throw Damaged{};
        const auto end = line_.find('\t');
        const auto field = line_.substr(0, end);
        at_end_ = end == std::string_view::npos;
        if (!at_end_) line_.remove_prefix(end + 1);
        return field;
    }
    std::string name() { return std::string(field()); }
    unsigned number() {
        const auto digits = field();
        unsigned value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || end != digits.data() + digits.size()) throw Damaged{};
        return value;
    }
    void make_types(std::deque<Type>& types) {
        if (!next_line()) throw Damaged{};
        const auto count = number();
        // Each has a line.
        if (count > text_.size()) throw Damaged{};
        types.resize(count);
        for (Type& type : types) places_.push_back(&type);
        for (Type& type : types) {
            if (!next_line()) throw Damaged{};
            read(type);
        }
    }
    const Type* type() {
        const auto place = number();
        if (place >= places_.size()) throw Damaged{};
        return places_[place];
    }

  private:
    void read(Type& type) {
        const auto kind = field();
        if (kind == "b") {
            const auto builtin = number();
            if (builtin > static_cast<unsigned>(Builtin::Any)) throw Damaged{};
            type.is = static_cast<Builtin>(builtin);
        } else if (kind == "a") {
            type.is = Array{this->type()};
        } else if (kind == "e") {
            auto& values = type.is.emplace<Enum>().values;
            while (!at_end()) {
                auto& value = values.emplace_back(EnumValue{name()});
                set_flags(value);
            }
        } else if (kind == "l") {
            auto& choices = type.is.emplace<Alternate>().choices;
            while (!at_end()) choices.push_back(this->type());
        } else if (kind == "o") {
            read(type.is.emplace<Object>());
        } else {
            throw Damaged{};
        }
    }
    void read(Object& object) {
        object.tag = name();
        for (auto left = number(); left > 0; --left) {
            auto& member = object.members.emplace_back(Member{.name = name()});
            member.type = type();
            member.optional = (set_flags(member) & optional) != 0;
        }
        while (!at_end()) {
            auto& variant = object.variants.emplace_back(Object::Variant{.tag_value = name()});
            variant.type = type();
        }
    }

  public:
    unsigned set_flags(auto& thing) {
        const auto flags = number();
        thing.deprecated = (flags & deprecated) != 0;
        thing.unstable = (flags & unstable) != 0;
        return flags;
    }

  private:
    std::string_view& text_;
    std::string_view line_;
    bool at_end_ = true;
    std::vector<const Type*> places_;
};

}  // namespace

std::string Schema::save() const {
    Writer writer(impl_->types);
    for (const auto& name : impl_->command_names) writer.line_of(impl_->commands.at(name));
    for (const auto& name : impl_->event_names) writer.line_of(impl_->events.at(name));
    return writer.take();
}

std::optional<Schema> Schema::restore(std::string_view& text) {
    Schema schema;
    Impl& impl = *schema.impl_;
    try {
        Reader reader(text);
        reader.make_types(impl.types);
        while (reader.next_line()) {
            const auto kind = reader.field();
            const auto name = reader.name();
            if (kind == "c") {
                Command command{.name = name};
                command.arguments = reader.type();
                command.returns = reader.type();
                command.allow_oob = (reader.set_flags(command) & allow_oob) != 0;
                if (!std::holds_alternative<Object>(command.arguments->is)) return std::nullopt;
                impl.commands.emplace(name, std::move(command));
                impl.command_names.push_back(name);
            } else if (kind == "v") {
                Event event{.name = name};
                event.data = reader.type();
                reader.set_flags(event);
                impl.events.emplace(name, std::move(event));
                impl.event_names.push_back(name);
            } else {
                return std::nullopt;
            }
        }
    } catch (const Damaged&) {
        return std::nullopt;
    }
    return schema;
}

}  // namespace qvm::qapi
