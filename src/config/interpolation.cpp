// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/interpolation.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/toml_text.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

constexpr std::string_view opening = "${";
constexpr std::string_view literal = "$${";
constexpr std::string_view environment = "env:";
/// A variable's value may double with each variable it is made of.
constexpr std::size_t longest_text = 1 << 20;

/// The one variable that `text` is, if it is that and nothing else.
std::optional<std::string> only_variable(std::string_view text) {
    if (!text.starts_with(opening) || !text.ends_with('}')) return std::nullopt;
    const auto name = text.substr(opening.size(), text.size() - opening.size() - 1);
    if (name.find_first_of("${}") != std::string_view::npos) return std::nullopt;
    return std::string(name);
}

/// A value that stands for itself in a string.
std::string plain(const Value& value) {
    return value.is_string() ? *value.string() : toml_value(value);
}

/// Whether a key that takes `mask` takes what `value` is. A key of QEMU's takes anything.
bool takes_type(unsigned mask, const Value& value) {
    if (mask == 0 || value.is_string()) return true;
    if (value.integer() != nullptr) return (mask & (takes::integer | takes::size | takes::processors)) != 0;
    if (value.boolean() != nullptr) return (mask & takes::boolean) != 0;
    return (mask & takes::processors) != 0;
}

class Interpolator {
  public:
    Interpolator(Document& document, Table variables, Diagnostics& diagnostics)
        : document_(document), variables_(std::move(variables)), diagnostics_(diagnostics) {}

    void run() {
        // All others may refer to it.
        if (Value* name = document_.root.table()->find("name")) replace(*name, {"name"});
        name_ = document_.name();
        for (auto& entry : document_.root.table()->entries())
            if (entry.key != "name") walk(entry.value, {entry.key});
    }

  private:
    void walk(Value& value, const std::vector<std::string>& path) {
        if (Table* table = value.table()) {
            for (auto& entry : table->entries()) {
                auto inner = path;
                inner.push_back(entry.key);
                walk(entry.value, inner);
            }
        } else if (Array* array = value.array()) {
            for (auto& item : *array) walk(item, path);
        } else {
            replace(value, path);
        }
    }

    /// A failure leaves nothing of the value: it has been told, and is not to be told again as something
    /// else.
    void replace(Value& value, const std::vector<std::string>& path) {
        const std::string* text = value.string();
        if (text == nullptr || text->find(opening) == std::string::npos) return;
        const auto only = only_variable(*text);
        const Value* variable = only ? variables_.find(*only) : nullptr;
        if (variable != nullptr && !variable->is_string() && is_scalar(*variable) &&
            takes_type(takes_at(path), *variable)) {
            value.data = variable->data;
            return;
        }
        if (auto replaced = expanded(*text, value.origin))
            value.data = std::move(*replaced);
        else
            value.data = {};
    }

    static bool is_scalar(const Value& value) {
        return !value.is_table() && value.array() == nullptr &&
               !std::holds_alternative<std::monostate>(value.data);
    }

    std::optional<std::string> expanded(std::string_view text, const Origin& origin) {
        std::string out;
        while (!text.empty()) {
            const auto dollar = std::min(text.find('$'), text.size());
            out += text.substr(0, dollar);
            text.remove_prefix(dollar);
            if (text.starts_with(literal)) {
                out += opening;
                text.remove_prefix(literal.size());
            } else if (text.starts_with(opening)) {
                const auto end = text.find('}');
                if (end == std::string_view::npos)
                    return fail(origin, DiagnosticKind::BadValue, "a ${ has no } after it");
                auto value = value_of(std::string(text.substr(opening.size(), end - opening.size())), origin);
                if (!value) return std::nullopt;
                out += *value;
                text.remove_prefix(end + 1);
            } else if (!text.empty()) {
                out += text.front();
                text.remove_prefix(1);
            }
            if (out.size() > longest_text)
                return fail(
                    origin, DiagnosticKind::BadValue,
                    fmt::format("with its variables, this is longer than {}", format_size(longest_text)));
        }
        return out;
    }

    std::optional<std::string> value_of(const std::string& name, const Origin& origin) {
        if (name.starts_with(environment)) return of_environment(name.substr(environment.size()), origin);
        if (name == "dir") return document_.directory_of(origin).string();
        if (name == "name" && !name_.empty()) return name_;
        if (const Value* variable = variables_.find(name)) return of_variable(name, *variable, origin);
        auto names = variables_.keys();
        names.insert(names.end(), {"dir", "name"});
        diagnostics_.add({DiagnosticKind::BadRef,
                          origin,
                          fmt::format("there is no variable '{}'", escape_controls(name)),
                          did_you_mean(name, names),
                          {"variables are the keys of [vars]; ${dir} and ${name} are there without it, and "
                           "${env:HOME} is HOME of the environment; $${ is a literal ${"}});
        return std::nullopt;
    }

    std::optional<std::string> of_environment(const std::string& name, const Origin& origin) {
        const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): one thread
        if (value != nullptr) return value;
        return fail(origin, DiagnosticKind::BadRef,
                    fmt::format("the environment has no variable '{}'", escape_controls(name)),
                    "export it, or write what it would say");
    }

    std::optional<std::string> of_variable(const std::string& name, const Value& variable,
                                           const Origin& origin) {
        if (!is_scalar(variable)) return std::nullopt;  // told where it is said
        if (const auto known = known_.find(name); known != known_.end()) return known->second;
        if (std::ranges::find(open_, name) != open_.end())
            return fail(origin, DiagnosticKind::Cycle,
                        fmt::format("the variable '{}' is made of itself: {} -> {}", name,
                                    fmt::join(open_, " -> "), name));
        open_.push_back(name);
        auto text = variable.is_string() ? expanded(*variable.string(), variable.origin)
                                         : std::optional(plain(variable));
        open_.pop_back();
        return known_[name] = std::move(text);
    }

    std::nullopt_t fail(const Origin& origin, DiagnosticKind kind, std::string message,
                        const std::string& note = "$${ is a literal ${") {
        diagnostics_.add({kind, origin, std::move(message), {}, {note}});
        return std::nullopt;
    }

    Document& document_;
    Table variables_;
    Diagnostics& diagnostics_;
    std::string name_;
    std::vector<std::string> open_;                            ///< variables being expanded
    std::map<std::string, std::optional<std::string>> known_;  ///< what they say, or that they cannot
};

/// [vars] without what is no value of a variable.
Table take_variables(Table& root, Diagnostics& diagnostics) {
    Table variables;
    const Value* vars = root.find("vars");
    if (vars == nullptr) return variables;
    if (const Table* table = vars->table()) {
        for (const auto& entry : table->entries()) {
            if (entry.value.is_table() || entry.value.array() != nullptr)
                diagnostics.add({DiagnosticKind::BadType,
                                 entry.value.origin,
                                 fmt::format("vars.{} takes a string, a number, true or false, not {}",
                                             entry.key, entry.value.type_name()),
                                 {},
                                 {}});
            if (entry.key == "dir" || entry.key == "name" ||
                entry.key.find_first_of("${}:") != std::string::npos)
                diagnostics.add({DiagnosticKind::BadValue,
                                 entry.key_origin,
                                 fmt::format("a variable cannot be called '{}'", entry.key),
                                 {},
                                 {"${dir}, ${name} and ${env:..} mean something else"}});
            variables.entries().push_back(entry);
        }
    } else {
        diagnostics.add({DiagnosticKind::BadType,
                         vars->origin,
                         fmt::format("vars takes a table, not {}", vars->type_name()),
                         {},
                         {}});
    }
    root.erase("vars");
    return variables;
}

}  // namespace

void interpolate(Document& document, Diagnostics& diagnostics) {
    auto variables = take_variables(*document.root.table(), diagnostics);
    Interpolator(document, std::move(variables), diagnostics).run();
}

std::string without_variables(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text.substr(at).starts_with(opening)) out += '$';
        out += text[at];
    }
    return out;
}

}  // namespace qvm::config
