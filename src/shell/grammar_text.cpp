// SPDX-License-Identifier: GPL-3.0-or-later
// From meaning back to text.
#include <algorithm>

#include "shell/argument_types.hpp"
#include "shell/grammar_tree.hpp"
#include "shell/no_vocabulary.hpp"
#include "shell/quoted.hpp"

namespace qvm::shell {
namespace {

using qapi::Type;

/// What cannot be in a bare word, by where it stands.
constexpr std::string_view in_command = "!|(){}[]&;=\"',#";
constexpr std::string_view in_name = ".=:+!|(){}[]&;\"',@#";
constexpr std::string_view in_object_name = ":,{}[]\"'";

std::string dump(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_word(std::string_view text, std::string_view stops) {
    return !text.empty() && std::ranges::none_of(text, [&](char c) {
        return is_space(c) || static_cast<unsigned char>(c) < 0x20 || stops.find(c) != std::string_view::npos;
    });
}

bool is_number(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool begins_comment(std::string_view text) {
    return text.starts_with("//") || text.starts_with("/*");
}

/// Values without fraction and with one are two things.
bool is_same(const Json& a, const Json& b) {
    return a == b && a.is_number_float() == b.is_number_float();
}

class Writer {
  public:
    /// Between parentheses more has to be quoted.
    explicit Writer(bool in_parentheses) : in_parentheses_(in_parentheses) {}

    /// "name=value", or several of them.
    std::string argument(const std::string& name, const Json& value, const Type* type) const {
        std::string best = name + ":=" + dump(value);
        const auto take = [&](const std::string& text) {
            if (text.size() <= best.size()) best = text;
        };
        if (const auto text = typed_text(value, type, false)) take(name + "=" + *text);
        if (value.is_object() && !value.empty()) take(members(name, value, type));
        return best;
    }

    std::string string(const std::string& text, const Type* type, bool in_brackets) const {
        bool guessed = false;
        const bool looks_right = typed(text, nullptr, guessed).is_string();
        const bool reads_right = type == nullptr ? !guessed : typed(text, type, guessed).is_string();
        return looks_right && reads_right && may_be_bare(text, in_brackets) ? text : quote(text);
    }

  private:
    std::string members(const std::string& name, const Json& object, const Type* type) const {
        std::string text;
        for (const auto& [member, value] : object.items()) {
            if (!text.empty()) text += ' ';
            text += argument(name + "." + name_text(member, false), value,
                             type_of_member(type, member, texts_of(object)));
        }
        return text;
    }

    /// Nothing when it cannot be written without ":=".
    std::optional<std::string> typed_text(const Json& value, const Type* type, bool in_brackets) const {
        if (value.is_object()) return object_text(value, type);
        if (value.is_array()) return array_text(value, type);
        bool guessed = false;
        if (value.is_string()) return string(value.get_ref<const std::string&>(), type, in_brackets);
        const std::string text = dump(value);
        const bool reads_right = is_same(typed(text, nullptr, guessed), value) &&
                                 (type == nullptr || is_same(typed(text, type, guessed), value));
        return reads_right ? std::optional(text) : std::nullopt;
    }

    bool may_be_bare(std::string_view text, bool in_brackets) const {
        const std::string_view stops = in_brackets ? ",]}" : in_parentheses_ ? ";)" : "";
        return is_word(text, stops) &&
               std::string_view("\"'{[@").find(text.front()) == std::string_view::npos &&
               !text.starts_with("$(") && !(in_brackets && begins_comment(text));
    }

    std::optional<std::string> object_text(const Json& object, const Type* type) const {
        std::string text;
        for (const auto& [name, value] : object.items()) {
            const auto written = typed_text(value, type_of_member(type, name, texts_of(object)), true);
            if (!written) return std::nullopt;
            const bool plain = is_word(name, in_object_name) && !begins_comment(name);
            text += (text.empty() ? "" : ", ") + (plain ? name : quote(name)) + ": " + *written;
        }
        return "{" + text + "}";
    }

    std::optional<std::string> array_text(const Json& array, const Type* type) const {
        std::string text;
        for (const Json& element : array) {
            const auto written = typed_text(element, type_of_element(type), true);
            if (!written) return std::nullopt;
            text += (text.empty() ? "" : ", ") + *written;
        }
        return "[" + text + "]";
    }

    bool in_parentheses_;
};

bool is_action(const Json& action) {
    return action.is_object() && action.size() == 2 && action.begin().key() == "type" &&
           action.begin()->is_string() &&
           is_word(action.begin()->get_ref<const std::string&>(), in_command) && action.contains("data") &&
           action.at("data").is_object();
}

/// Can it be written as "transaction( ... )"?
bool has_actions(std::string_view command, const Json& arguments) {
    if (command != "transaction" || arguments.empty() || arguments.begin().key() != "actions") return false;
    const Json& actions = *arguments.begin();
    return actions.is_array() && !actions.empty() && std::ranges::all_of(actions, is_action);
}

std::string actions_text(const Json& actions, const Type* type) {
    std::string text;
    const Type* element = type_of_element(type);
    for (const Json& action : actions) {
        text += text.empty() ? "( " : " ; ";
        text += action.at("type").get_ref<const std::string&>();
        const Type* data = type_of_member(element, "data", texts_of(action));
        for (const auto& [name, value] : action.at("data").items())
            text += " " + Writer(true).argument(name_text(name, true), value,
                                                type_of_member(data, name, texts_of(action.at("data"))));
    }
    return text + " )";
}

}  // namespace

std::string name_text(const std::string& name, bool is_first) {
    const bool plain = is_word(name, in_name) && (is_first || !is_number(name));
    return plain ? name : quote(name);
}

std::string string_text(const std::string& value, const Type* type, bool in_brackets) {
    return Writer(false).string(value, type, in_brackets);
}

std::string to_text(std::string_view command, const Json& arguments, Vocabulary* vocabulary) {
    if (!is_word(command, in_command) || command.starts_with("//") || !arguments.is_object()) {
        Json message = Json::object();
        message["execute"] = std::string(command);
        if (!arguments.is_object() || !arguments.empty()) message["arguments"] = arguments;
        return dump(message);
    }
    NoVocabulary nobody;
    const ArgumentTypes types(std::string(command), vocabulary == nullptr ? nobody : *vocabulary);
    const TextOf text_of = texts_of(arguments);
    std::string text = (command.starts_with('/') ? "/" : "") + std::string(command);
    const bool actions = has_actions(command, arguments);
    for (const auto& [name, value] : arguments.items()) {
        const Type* type = types.type_of(name, text_of);
        if (actions && name == "actions")
            text += actions_text(value, type);
        else
            text += " " + Writer(false).argument(name_text(name, true), value, type);
    }
    return text;
}

}  // namespace qvm::shell
