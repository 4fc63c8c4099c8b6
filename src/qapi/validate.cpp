// SPDX-License-Identifier: GPL-3.0-or-later
#include "qapi/validate.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace qvm::qapi {
namespace {

/// Deeper than any real configuration; keeps hostile input off the end of the stack.
constexpr std::size_t max_depth = 200;

class Validator {
  public:
    Validator(Leniency leniency, std::vector<Problem>& problems) : leniency_(leniency), problems_(problems) {}

    Json check(const Type& type, const Json& value);

  private:
    Json check_builtin(Builtin builtin, const Json& value);
    Json check_integer(const Json& value);
    Json check_enum(const Enum& type, const Json& value);
    Json check_array(const Array& type, const Json& value);
    Json check_object(const Object& type, const Json& value);
    Json check_alternate(const Alternate& type, const Json& value);
    /// The members that the tag's value adds, or null; reports a value that selects nothing.
    const Object* branch_of(const Object& type, const Json& value);
    void report_unknown(const std::vector<const Object*>& parts, bool tag_is_good, const std::string& name);
    void report_features(bool deprecated, bool unstable, const std::string& value);
    void report_missing(const std::vector<const Object*>& parts, const Json& value,
                        std::size_t first_problem);
    /// What `value` becomes if some choice takes it only after a conversion.
    std::optional<Json> lenient_choice(const Alternate& type, const Json& value);

    bool lenient() const { return leniency_ == Leniency::FromFile; }
    void report(ProblemKind kind, std::string message, std::string nearest_name = {},
                std::vector<std::string> allowed = {}) {
        problems_.push_back({kind, path_, std::move(message), std::move(nearest_name), std::move(allowed)});
    }
    void report_wrong_type(std::string_view wanted, const Json& value);
    std::string_view name_of(const Json& value) const;
    std::string_view name_of(const Type& type) const;

    Leniency leniency_;
    std::vector<Problem>& problems_;
    Path path_;
};

std::vector<std::string> names_of(const Enum& type) {
    std::vector<std::string> names;
    for (const EnumValue& v : type.values) names.push_back(v.name);
    return names;
}

bool has_value(const Enum& type, std::string_view name) {
    return std::ranges::find(type.values, name, &EnumValue::name) != type.values.end();
}

bool is_on_off(const Enum& type) {
    return has_value(type, "on") && has_value(type, "off");
}

bool is_builtin(const Type& type, Builtin builtin) {
    const auto* is = std::get_if<Builtin>(&type.is);
    return is != nullptr && *is == builtin;
}

bool has_choice(const Alternate& type, Builtin builtin) {
    return std::ranges::any_of(type.choices, [&](const Type* t) { return is_builtin(*t, builtin); });
}

/// Could a value of this JSON type belong to `type`, whatever its content?
bool fits_shape(const Type& type, const Json& value) {
    if (const auto* builtin = std::get_if<Builtin>(&type.is)) {
        switch (*builtin) {
            case Builtin::String:
                return value.is_string();
            case Builtin::Number:
                return value.is_number();
            case Builtin::Integer:
                return value.is_number_integer();
            case Builtin::Boolean:
                return value.is_boolean();
            case Builtin::Null:
                return value.is_null();
            case Builtin::Any:
                return true;
        }
    }
    if (std::holds_alternative<Enum>(type.is)) return value.is_string();
    if (std::holds_alternative<Array>(type.is)) return value.is_array();
    if (std::holds_alternative<Object>(type.is)) return value.is_object();
    return true;
}

std::string_view Validator::name_of(const Json& value) const {
    switch (value.type()) {
        case Json::value_t::null:
            return "null";
        case Json::value_t::boolean:
            return "a boolean";
        case Json::value_t::number_integer:
        case Json::value_t::number_unsigned:
            return "an integer";
        case Json::value_t::number_float:
            return "a fractional number";
        case Json::value_t::string:
            return "a string";
        case Json::value_t::array:
            return "an array";
        case Json::value_t::object:
            return lenient() ? "a table" : "an object";
        case Json::value_t::binary:
        case Json::value_t::discarded:
            break;
    }
    return "no JSON";
}

std::string_view Validator::name_of(const Type& type) const {
    if (const auto* builtin = std::get_if<Builtin>(&type.is)) {
        switch (*builtin) {
            case Builtin::String:
                return "a string";
            case Builtin::Number:
                return "a number";
            case Builtin::Integer:
                return "an integer";
            case Builtin::Boolean:
                return "true or false";
            case Builtin::Null:
                return lenient() ? "false (for none)" : "null";
            case Builtin::Any:
                return "any value";
        }
    }
    if (std::holds_alternative<Enum>(type.is)) return "a string";
    if (std::holds_alternative<Array>(type.is)) return "an array";
    return lenient() ? "a table" : "an object";
}

/// The right way to write what somebody wrote in the wrong type, or empty.
std::string rewritten(std::string_view wanted, const Json& value) {
    if (wanted == "a string" && value.is_number_integer()) return fmt::format("\"{}\"", value.dump());
    if (wanted == "true or false" && value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        if (text == "on" || text == "yes" || text == "true") return "true";
        if (text == "off" || text == "no" || text == "false") return "false";
    }
    return {};
}

void Validator::report_wrong_type(std::string_view wanted, const Json& value) {
    report(ProblemKind::WrongType, fmt::format("must be {}, not {}", wanted, name_of(value)),
           rewritten(wanted, value));
}

Json Validator::check(const Type& type, const Json& value) {
    if (path_.size() > max_depth) {
        report(ProblemKind::WrongType, "is nested too deeply");
        return value;
    }
    if (const auto* builtin = std::get_if<Builtin>(&type.is)) return check_builtin(*builtin, value);
    if (const auto* enumeration = std::get_if<Enum>(&type.is)) return check_enum(*enumeration, value);
    if (const auto* array = std::get_if<Array>(&type.is)) return check_array(*array, value);
    if (const auto* object = std::get_if<Object>(&type.is)) return check_object(*object, value);
    return check_alternate(std::get<Alternate>(type.is), value);
}

Json Validator::check_builtin(Builtin builtin, const Json& value) {
    if (fits_shape(Type{builtin}, value)) return value;
    switch (builtin) {
        case Builtin::Integer:
            return check_integer(value);
        case Builtin::Null:
            if (lenient() && value == false) return nullptr;
            break;
        case Builtin::String:
        case Builtin::Number:
        case Builtin::Boolean:
        case Builtin::Any:
            break;
    }
    report_wrong_type(name_of(Type{builtin}), value);
    return value;
}

/// For a value that is no JSON integer.
Json Validator::check_integer(const Json& value) {
    if (!lenient() || !value.is_string()) {
        report_wrong_type("an integer", value);
        return value;
    }
    const auto& text = value.get_ref<const std::string&>();
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
    if (text.empty() || text.front() < '0' || text.front() > '9') {
        report_wrong_type("an integer", value);
        return value;
    }
    const auto size = parse_size(text);
    if (const auto* bytes = std::get_if<std::uint64_t>(&size)) return *bytes;
    report(ProblemKind::BadSize, std::get<std::string>(size));
    return value;
}

Json Validator::check_enum(const Enum& type, const Json& value) {
    if (lenient() && value.is_boolean() && is_on_off(type)) return value.get<bool>() ? "on" : "off";
    if (!value.is_string()) {
        report_wrong_type(is_on_off(type) && lenient() ? "true, false or a string" : "a string", value);
        return value;
    }
    const auto& text = value.get_ref<const std::string&>();
    const auto found = std::ranges::find(type.values, text, &EnumValue::name);
    if (found != type.values.end()) {
        report_features(found->deprecated, found->unstable, text);
        return value;
    }
    auto names = names_of(type);
    auto meant = nearest(text, names).value_or("");
    report(ProblemKind::NotInEnum, fmt::format("has no value '{}'", text), std::move(meant),
           std::move(names));
    return value;
}

Json Validator::check_array(const Array& type, const Json& value) {
    if (!value.is_array()) {
        report_wrong_type("an array", value);
        return value;
    }
    Json result = Json::array();
    for (std::size_t i = 0; i < value.size(); ++i) {
        path_.emplace_back(i);
        result.push_back(check(*type.element, value[i]));
        path_.pop_back();
    }
    return result;
}

/// Of the member at hand, or of one value of it.
void Validator::report_features(bool deprecated, bool unstable, const std::string& value) {
    const auto say = [&](std::string_view what) {
        return value.empty() ? fmt::format("is {}", what) : fmt::format("has the {} value '{}'", what, value);
    };
    if (deprecated) report(ProblemKind::Deprecated, say("deprecated"));
    if (unstable) report(ProblemKind::Unstable, say("unstable"));
}

const Object* Validator::branch_of(const Object& type, const Json& value) {
    const auto tag = value.find(type.tag);
    if (tag == value.end() || !tag->is_string()) return nullptr;
    const Type* branch = type.variant(tag->get_ref<const std::string&>());
    return branch == nullptr ? nullptr : std::get_if<Object>(&branch->is);
}

/// True if the tag names one of its enum's values; then what no branch declares is a mistake.
bool is_good_tag(const Object& type, const Json& value) {
    if (type.tag.empty()) return true;
    const Member* tag = type.member(type.tag);
    const auto given = value.find(type.tag);
    if (tag == nullptr) return true;
    if (given == value.end()) return tag->optional;
    const auto* values = std::get_if<Enum>(&tag->type->is);
    return values == nullptr ||
           (given->is_string() && has_value(*values, given->get_ref<const std::string&>()));
}

bool any_branch_has(const Object& type, std::string_view name) {
    return std::ranges::any_of(type.variants, [&](const Object::Variant& v) {
        const auto* branch = std::get_if<Object>(&v.type->is);
        return branch != nullptr && (branch->member(name) != nullptr || any_branch_has(*branch, name));
    });
}

void Validator::report_unknown(const std::vector<const Object*>& parts, bool tag_is_good,
                               const std::string& name) {
    if (!tag_is_good && std::ranges::any_of(parts, [&](const Object* o) { return any_branch_has(*o, name); }))
        return;
    std::vector<std::string> known;
    for (const Object* part : parts)
        for (const Member& m : part->members) known.push_back(m.name);
    path_.emplace_back(name);
    auto meant = nearest(name, known).value_or("");
    report(ProblemKind::UnknownMember, fmt::format("no member '{}'", name), std::move(meant),
           std::move(known));
    path_.pop_back();
}

Json Validator::check_object(const Object& type, const Json& value) {
    if (!value.is_object()) {
        report_wrong_type(lenient() ? "a table" : "an object", value);
        return value;
    }
    // The object itself and the branches that its tags select, outermost first.
    std::vector<const Object*> parts{&type};
    bool tag_is_good = is_good_tag(type, value);
    while (!parts.back()->tag.empty()) {
        const Object* branch = branch_of(*parts.back(), value);
        if (branch == nullptr) break;
        parts.push_back(branch);
        tag_is_good = tag_is_good && is_good_tag(*branch, value);
    }
    const auto find_member = [&](std::string_view name) -> const Member* {
        for (const Object* part : parts)
            if (const Member* m = part->member(name)) return m;
        return nullptr;
    };

    Json result = Json::object();
    const std::size_t first_problem = problems_.size();
    for (const auto& [name, given] : value.items()) {
        const Member* member = find_member(name);
        if (member == nullptr) {
            report_unknown(parts, tag_is_good, name);
            result[name] = given;
            continue;
        }
        path_.emplace_back(name);
        report_features(member->deprecated, member->unstable, {});
        result[name] = check(*member->type, given);
        path_.pop_back();
    }
    report_missing(parts, value, first_problem);
    return result;
}

void Validator::report_missing(const std::vector<const Object*>& parts, const Json& value,
                               std::size_t first_problem) {
    // A misspelt member has been reported, with its right name: that it is missing too is no second mistake.
    const auto is_misspelt = [&](const std::string& name) {
        return std::any_of(problems_.begin() + static_cast<std::ptrdiff_t>(first_problem), problems_.end(),
                           [&](const Problem& p) {
                               return p.kind == ProblemKind::UnknownMember && p.nearest == name &&
                                      p.path.size() == path_.size() + 1;
                           });
    };
    for (const Object* part : parts) {
        for (const Member& m : part->members) {
            if (m.optional || value.contains(m.name) || is_misspelt(m.name)) continue;
            path_.emplace_back(m.name);
            report(ProblemKind::MissingMember, fmt::format("member '{}' is missing", m.name));
            path_.pop_back();
        }
    }
}

std::optional<Json> Validator::lenient_choice(const Alternate& type, const Json& value) {
    if (!lenient()) return std::nullopt;
    if (value == false && has_choice(type, Builtin::Null)) return Json(nullptr);
    if (value.is_boolean()) {
        for (const Type* choice : type.choices) {
            const auto* values = std::get_if<Enum>(&choice->is);
            if (values != nullptr && is_on_off(*values)) return Json(value.get<bool>() ? "on" : "off");
        }
    }
    return std::nullopt;
}

Json Validator::check_alternate(const Alternate& type, const Json& value) {
    std::optional<std::pair<std::vector<Problem>, Json>> best;
    for (const Type* choice : type.choices) {
        if (!fits_shape(*choice, value)) continue;
        std::vector<Problem> problems;
        Validator attempt(leniency_, problems);
        attempt.path_ = path_;
        Json result = attempt.check(*choice, value);
        if (!best || problems.size() < best->first.size())
            best.emplace(std::move(problems), std::move(result));
    }
    // A size string for a choice of, say, integer or null.
    if (!best && lenient() && value.is_string() && has_choice(type, Builtin::Integer))
        return check_integer(value);
    if (!best) {
        if (auto converted = lenient_choice(type, value)) return *converted;
        std::vector<std::string> wanted;
        for (const Type* choice : type.choices) {
            std::string name(name_of(*choice));
            if (std::ranges::find(wanted, name) == wanted.end()) wanted.push_back(std::move(name));
        }
        report_wrong_type(join_or(wanted), value);
        return value;
    }
    problems_.insert(problems_.end(), std::make_move_iterator(best->first.begin()),
                     std::make_move_iterator(best->first.end()));
    return std::move(best->second);
}

}  // namespace

std::string to_string(const Path& path) {
    std::string text;
    for (const auto& part : path) {
        if (const auto* name = std::get_if<std::string>(&part)) {
            if (!text.empty()) text += '.';
            text += *name;
        } else {
            text += fmt::format("[{}]", std::get<std::size_t>(part));
        }
    }
    return text;
}

Json validate(const Type& type, const Json& value, Leniency leniency, std::vector<Problem>& problems) {
    return Validator(leniency, problems).check(type, value);
}

Json validate_arguments(const Command& command, const Json& arguments, Leniency leniency,
                        std::vector<Problem>& problems) {
    if (command.deprecated)
        problems.push_back(
            {ProblemKind::Deprecated, {}, fmt::format("command '{}' is deprecated", command.name), {}, {}});
    if (command.unstable)
        problems.push_back(
            {ProblemKind::Unstable, {}, fmt::format("command '{}' is unstable", command.name), {}, {}});
    return validate(*command.arguments, arguments, leniency, problems);
}

}  // namespace qvm::qapi
