// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/completion.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "shell/argument_names.hpp"
#include "shell/argument_types.hpp"
#include "shell/grammar_tree.hpp"
#include "shell/quoted.hpp"

namespace qvm::shell {
namespace {

using qapi::Type;

/// Values named in a note.
constexpr std::size_t noted = 4;

std::string marks(bool deprecated, bool unstable) {
    std::string text;
    if (deprecated) text += " [deprecated]";
    if (unstable) text += " [unstable]";
    return text;
}

std::string describe(const qapi::Enum& type) {
    std::string text;
    for (std::size_t i = 0; i < std::min(noted, type.values.size()); ++i)
        text += (i == 0 ? "" : "|") + type.values[i].name;
    return type.values.size() > noted ? text + "|..." : text;
}

/// A type in a word or two.
std::string describe(const Type* type) {
    if (type == nullptr) return {};
    if (const auto* builtin = std::get_if<qapi::Builtin>(&type->is)) {
        switch (*builtin) {
            case qapi::Builtin::String:
                return "string";
            case qapi::Builtin::Number:
                return "number";
            case qapi::Builtin::Integer:
                return "integer";
            case qapi::Builtin::Boolean:
                return "true|false";
            case qapi::Builtin::Null:
                return "null";
            case qapi::Builtin::Any:
                return "any";
        }
    }
    if (const auto* values = std::get_if<qapi::Enum>(&type->is)) return describe(*values);
    if (const auto* array = std::get_if<qapi::Array>(&type->is))
        return "array of " + describe(array->element);
    if (std::holds_alternative<qapi::Object>(type->is)) return "object";
    std::string text;
    for (const Type* choice : std::get<qapi::Alternate>(type->is).choices)
        text += (text.empty() ? "" : " or ") + describe(choice);
    return text;
}

bool has_object(const Type* type) {
    return object_in(type) != nullptr;
}
bool is_only_object(const Type* type) {
    return type != nullptr && std::holds_alternative<qapi::Object>(type->is);
}

class Completer {
  public:
    Completer(std::string_view text, std::size_t cursor, Vocabulary& vocabulary, const ListFiles& files)
        : text_(text),
          cursor_(std::min(cursor, text.size())),
          vocabulary_(vocabulary),
          files_(files),
          tree_(read_tree(text.substr(0, cursor_), vocabulary)),
          at_(tree_.at_end) {}

    Completion run() {
        result_.replaced = at_.kind == AtEnd::Kind::Nothing ? Range{cursor_, cursor_} : at_.partial;
        if (tree_.kind == Tree::Kind::Raw) look_into_message();
        switch (at_.kind) {
            case AtEnd::Kind::Nothing:
                break;
            case AtEnd::Kind::Command:
                add_commands();
                if (tree_.kind == Tree::Kind::Nothing) add_builtins();
                break;
            case AtEnd::Kind::Action:
                add_actions();
                break;
            case AtEnd::Kind::Name:
                add_names();
                break;
            case AtEnd::Kind::Value:
                add_values();
                break;
            case AtEnd::Kind::File:
                add_files();
                break;
            case AtEnd::Kind::Pipe:
                add_pipes();
                break;
            case AtEnd::Kind::BuiltinName:
                add_builtins();
                break;
            case AtEnd::Kind::BuiltinWord:
                add_builtin_words();
                break;
        }
        keep_matching();
        return std::move(result_);
    }

  private:
    /// One candidate, with what it is matched by.
    struct Option {
        std::string match;
        Candidate candidate;
    };

    void add(std::string match, std::string text, std::string note = {}, bool more = false) {
        options_.push_back({std::move(match), {std::move(text), std::move(note), more}});
    }

    void keep_matching() {
        const std::string& typed = at_.text;
        for (Option& option : options_)
            if (option.match.starts_with(typed)) result_.candidates.push_back(std::move(option.candidate));
        if (!result_.candidates.empty() || typed.size() < 2) return;
        for (Option& option : options_)
            if (option.match.find(typed) != std::string::npos)
                result_.candidates.push_back(std::move(option.candidate));
    }

    void add_commands() {
        const qapi::Schema* schema = vocabulary_.schema();
        std::vector<std::string> names = vocabulary_.command_names();
        if (names.empty() && schema != nullptr) names = schema->command_names();
        result_.incomplete = names.empty();
        std::ranges::sort(names);
        for (const std::string& name : names) add(name, as_command(name), note_on_command(name));
    }

    std::string note_on_command(const std::string& name) {
        const qapi::Schema* schema = vocabulary_.schema();
        std::string note = vocabulary_.summary(name);
        if (const auto* command = schema == nullptr ? nullptr : schema->command(name))
            note += marks(command->deprecated, command->unstable);
        return note.starts_with(' ') ? note.substr(1) : note;
    }

    std::string as_command(const std::string& name) const { return strict_ ? quote(name) : name; }

    void add_builtins() {
        for (const auto& builtin : vocabulary_.builtins())
            add(builtin.name, "/" + builtin.name, builtin.summary, false);
    }

    /// By what the builtin says its arguments are.
    void add_builtin_words() {
        const auto all = vocabulary_.builtins();
        const auto found = std::ranges::find(all, at_.command, &Vocabulary::Builtin::name);
        if (found == all.end()) return;
        const auto takes = [&](const char* what) { return found->arguments.find(what) != std::string::npos; };
        if (takes("COMMAND")) add_commands();
        if (takes("FILE")) add_files();
        const qapi::Schema* schema = vocabulary_.schema();
        if (!takes("EVENT")) return;
        result_.incomplete = schema == nullptr;
        if (schema != nullptr)
            for (const std::string& name : schema->event_names()) add(name, name);
    }

    /// In a whole message the arguments are one member of it.
    void look_into_message() {
        strict_ = true;
        const bool oob = tree_.arguments.member("exec-oob") != nullptr;
        const Node* name = tree_.arguments.member(oob ? "exec-oob" : "execute");
        at_.command = name == nullptr ? "" : name->text;
        const auto first = at_.path.empty() ? std::string() : std::get<std::string>(at_.path.front());
        if (at_.kind == AtEnd::Kind::Value && at_.path.size() == 1 &&
            (first == "execute" || first == "exec-oob")) {
            at_.kind = AtEnd::Kind::Command;
            return;
        }
        if (first == "arguments") {
            at_.path.erase(at_.path.begin());
            const Node* arguments = tree_.arguments.member("arguments");
            at_.arguments = std::make_shared<const Node>(arguments == nullptr ? Node{} : *arguments);
            return;
        }
        if (at_.kind == AtEnd::Kind::Name && at_.path.empty())
            for (const char* member : {"execute", "arguments", "id"})
                if (tree_.arguments.member(member) == nullptr) add(member, quote(member) + ": ", {}, true);
        at_.kind = AtEnd::Kind::Nothing;
    }

    void add_actions() {
        const ArgumentTypes types("transaction", vocabulary_);
        result_.incomplete = vocabulary_.schema() == nullptr;
        if (types.command() == nullptr) return;
        const Node none;
        const Type* action = type_of_element(types.type_of("actions", texts_of(none)));
        const auto* object = object_in(action);
        const qapi::Member* tag = object == nullptr ? nullptr : object->member(object->tag);
        const auto* values = tag == nullptr ? nullptr : std::get_if<qapi::Enum>(&tag->type->is);
        if (values == nullptr) return;
        for (const auto& value : values->values)
            add(value.name, value.name, marks(value.deprecated, value.unstable));
    }

    /// What there is of the arguments, that behind the cursor included where it can be read.
    const Node& arguments() {
        if (!known_) {
            known_ = at_.arguments ? *at_.arguments : Node{};
            std::string whole(text_);
            if (at_.kind == AtEnd::Kind::Name) whole.erase(at_.partial.begin, cursor_ - at_.partial.begin);
            const Tree all = read_tree(whole, vocabulary_);
            if (tree_.kind == Tree::Kind::Request && all.command == at_.command &&
                tree_.command == at_.command)
                for (const auto& member : all.arguments.members)
                    if (known_->member(member.name) == nullptr) known_->members.push_back(member);
        }
        return *known_;
    }

    /// The type at a path below the arguments; null if it is not known.
    const Type* type_at(const ArgumentTypes& types, const qapi::Path& path) {
        const Type* type = nullptr;
        const Node none;
        const Node* node = &arguments();
        for (std::size_t i = 0; i < path.size(); ++i) {
            const auto* name = std::get_if<std::string>(&path[i]);
            const TextOf text_of = texts_of(node == nullptr ? none : *node);
            if (name == nullptr)
                type = type_of_element(type);
            else
                type = i == 0 ? types.type_of(*name, text_of) : type_of_member(type, *name, text_of);
            node = node == nullptr ? nullptr : find(*node, {path[i]});
        }
        return type;
    }

    void add_names() {
        const ArgumentTypes types(at_.command, vocabulary_);
        result_.incomplete = vocabulary_.schema() == nullptr;
        const Type* type = at_.path.empty()             ? nullptr
                           : types.command() == nullptr ? nullptr
                                                        : type_at(types, at_.path);
        const qapi::Object* object = at_.path.empty() && types.command() != nullptr
                                         ? object_in(types.command()->arguments)
                                         : object_in(type);
        const Node none;
        const Node* given = find(arguments(), at_.path);
        if (given == nullptr) given = &none;
        if (object != nullptr) add_members(parts_of(*object, texts_of(*given)), *given);
        if (at_.path.empty() && at_.command == "device_add") add_properties(*given);
    }

    void add_members(const std::vector<const qapi::Object*>& parts, const Node& given) {
        for (const bool optional : {false, true})
            for (const qapi::Object* part : parts)
                for (const qapi::Member& member : part->members)
                    if (member.optional == optional && given.member(member.name) == nullptr)
                        add_member(member);
    }

    void add_member(const qapi::Member& member) {
        const std::string note = (member.optional ? "" : "required, ") + describe(member.type) +
                                 marks(member.deprecated, member.unstable);
        if (strict_) return add(member.name, quote(member.name) + ": ", note, true);
        const std::string name = name_text(member.name, at_.path.empty());
        if (at_.in_object) return add(member.name, name + ": ", note, true);
        if (!is_only_object(member.type)) add(member.name, name + "=", note, true);
        if (has_object(member.type)) add(member.name, name + ".", note, true);
    }

    void add_properties(const Node& given) {
        const auto driver = texts_of(given)("driver");
        if (!driver) return;
        const auto names = vocabulary_.names(NameKind::DeviceProperty, *driver);
        if (!names) {
            result_.incomplete = true;
            return;
        }
        for (const std::string& name : *names) {
            if (given.member(name) != nullptr) continue;
            const std::string tail = strict_ || at_.in_object ? ": " : "=";
            add(name, (strict_ ? quote(name) : name_text(name, true)) + tail,
                vocabulary_.property_type(*driver, name), true);
        }
    }

    void add_values() {
        const ArgumentTypes types(at_.command, vocabulary_);
        const Type* type = at_.path.empty() ? nullptr : type_at(types, at_.path);
        if (vocabulary_.schema() == nullptr) result_.incomplete = true;
        add_typed(type);
        std::string member;
        std::size_t depth = 0;
        for (const auto& step : at_.path) {
            if (const auto* name = std::get_if<std::string>(&step)) {
                member = *name;
                ++depth;
            }
        }
        const std::string command =
            at_.path.size() > 2 && at_.command == "transaction" ? action_name() : at_.command;
        Named named = what_is_named(command, member, depth, type);
        if (at_.command == "device_add" && named.kinds.empty() && is_link(member))
            named.kinds = {NameKind::Object};
        for (const NameKind kind : named.kinds) add_live(kind, type);
        if (named.files) add_files();
    }

    bool is_link(const std::string& property) {
        const auto driver = texts_of(arguments())("driver");
        return driver && vocabulary_.property_type(*driver, property).starts_with("link<");
    }

    std::string action_name() {
        const Node* action = find(arguments(), {at_.path[0], at_.path[1]});
        return action == nullptr ? std::string() : texts_of(*action)("type").value_or("");
    }

    void add_typed(const Type* type) {
        if (type == nullptr) return;
        if (const auto* builtin = std::get_if<qapi::Builtin>(&type->is)) {
            if (*builtin == qapi::Builtin::Boolean && at_.quote == '\0')
                for (const char* word : {"true", "false"}) add(word, word);
            if (*builtin == qapi::Builtin::Null && at_.quote == '\0') add("null", "null");
        } else if (const auto* values = std::get_if<qapi::Enum>(&type->is)) {
            for (const auto& value : values->values)
                add(value.name, string_value(value.name, type), marks(value.deprecated, value.unstable));
        } else if (const auto* alternate = std::get_if<qapi::Alternate>(&type->is)) {
            for (const Type* choice : alternate->choices) add_typed(choice);
        } else if (at_.text.empty() && at_.quote == '\0') {
            const bool array = std::holds_alternative<qapi::Array>(type->is);
            add("", array ? "[" : "{", describe(type), true);
        }
    }

    std::string string_value(const std::string& value, const Type* type) const {
        return strict_ || at_.quote != '\0' ? quote(value) : string_text(value, type, at_.in_object);
    }

    void add_live(NameKind kind, const Type* type) {
        std::string context;
        std::string in_front;
        if (kind == NameKind::QomPath) {
            const auto slash = at_.text.rfind('/');
            in_front = slash == std::string::npos ? "/" : at_.text.substr(0, slash + 1);
            context = in_front.size() > 1 ? in_front.substr(0, in_front.size() - 1) : "/";
        }
        if (kind == NameKind::QomProperty) context = texts_of(arguments())("path").value_or("/");
        const auto names = vocabulary_.names(kind, context);
        if (!names) {
            result_.incomplete = true;
            return;
        }
        for (const std::string& name : *names)
            add(in_front + name, string_value(in_front + name, type), {}, kind == NameKind::QomPath);
    }

    void add_files() {
        if (!files_) return;
        const Type string{qapi::Builtin::String};
        for (const std::string& file : files_(at_.text))
            add(file,
                at_.kind == AtEnd::Kind::BuiltinWord ? string_text(file, &string, false)
                                                     : string_value(file, &string),
                {}, file.ends_with('/'));
    }

    /// Members of the reply, as far as the schema tells them.
    void add_pipes() {
        const std::string stage = at_.text;
        if (!stage.starts_with('.')) {
            add("grep", "grep", "keeps what contains a text");
            add(".", ".", "a path into the reply", true);
            return;
        }
        const qapi::Schema* schema = vocabulary_.schema();
        result_.incomplete = schema == nullptr;
        const auto* command = schema == nullptr ? nullptr : schema->command(tree_.command);
        if (command == nullptr || is_second_pipe(stage)) return;
        const auto dot = stage.rfind('.');
        const Type* type = command->returns;
        try {
            for (const PathStep& step : parse_reply_path(dot == 0 ? "." : stage.substr(0, dot))) {
                const Node none;
                const auto* name = std::get_if<std::string>(&step);
                type = name == nullptr ? type_of_element(type) : type_of_member(type, *name, texts_of(none));
            }
        } catch (const PipeError&) {
            return;
        }
        const auto* array = type == nullptr ? nullptr : std::get_if<qapi::Array>(&type->is);
        if (array != nullptr)
            add(stage.substr(0, dot) + ".[]", stage.substr(0, dot) + (dot == 0 ? ".[]" : "[]"),
                "each element", true);
        const auto* object = object_in(type);
        if (object == nullptr) return;
        for (const auto& member : object->members)
            add(stage.substr(0, dot + 1) + member.name,
                stage.substr(0, dot) + to_text(ReplyPath{PathStep(member.name)}), describe(member.type),
                true);
    }

    /// What comes out of another pipe, no schema tells.
    bool is_second_pipe(const std::string& stage) const {
        try {
            parse_pipe_stage(stage);
            return tree_.pipes.size() > 1;
        } catch (const PipeError&) {
            return !tree_.pipes.empty();
        }
    }

    std::string_view text_;
    std::size_t cursor_;
    Vocabulary& vocabulary_;
    const ListFiles& files_;
    Tree tree_;
    AtEnd at_;
    bool strict_ = false;
    std::optional<Node> known_;
    std::vector<Option> options_;
    Completion result_;
};

}  // namespace

Completion complete(std::string_view text, std::size_t cursor, Vocabulary& vocabulary,
                    const ListFiles& files) {
    return Completer(text, cursor, vocabulary, files).run();
}

std::string suggestion(std::string_view text, std::span<const std::string> oldest_first) {
    if (text.empty()) return {};
    for (auto line = oldest_first.rbegin(); line != oldest_first.rend(); ++line)
        if (line->size() > text.size() && line->starts_with(text)) return line->substr(text.size());
    return {};
}

}  // namespace qvm::shell
