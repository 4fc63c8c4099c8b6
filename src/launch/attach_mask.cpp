// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_mask.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "launch/attach_table.hpp"
#include "launch/control.hpp"

namespace qvm::launch {
namespace {

/// qapi/ui.json, qapi/block-core.json (BlockdevOptionsCurlHttp: cookie), and what devices and older QEMUs
/// call theirs. Not those that end in "-secret": these name an object.
constexpr std::array<std::string_view, 5> secret_members{"password", "secret", "passphrase", "cookie",
                                                         "data"};

std::string text_of(const Json& object, const char* member) {
    const auto found = object.find(member);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// `data` is a secret's text, and anything else elsewhere.
bool holds_secret(std::string_view member, bool of_secret_object) {
    if (member == "data") return of_secret_object;
    return std::ranges::find(secret_members, member) != secret_members.end();
}

bool is_secret_property(std::string_view property) {
    return std::ranges::find(secret_members, property) != secret_members.end();
}

/// The value of one member of what QEMU is told, and all in it.
void mask(Json& value, bool of_secret_object) {
    if (value.is_array())
        for (auto& item : value) mask(item, of_secret_object);
    if (!value.is_object()) return;
    const bool secret_object = of_secret_object || text_of(value, "qom-type").starts_with("secret");
    const bool sets_secret = value.contains("value") && is_secret_property(text_of(value, "property"));
    for (auto& [key, member] : value.items()) {
        const auto word = std::string_view(key).substr(key.rfind('.') + 1);
        if (!member.is_structured() && (holds_secret(word, secret_object) || (sets_secret && key == "value")))
            member = masked;
        else
            mask(member, secret_object);
    }
}

/// Only its first word tells what it is, and passwords stand anywhere.
void mask_monitor_line(Json& arguments) {
    const auto line = text_of(arguments, "command-line");
    const auto begin = std::min(line.find_first_not_of(" \t"), line.size());
    const auto word = line.substr(begin, std::min(line.find_first_of(" \t/", begin), line.size()) - begin);
    if (word.empty() || is_monitor_question(word)) return;
    if (begin + word.size() < line.size()) arguments["command-line"] = word + ' ' + masked;
}

/// What an operation writes down is the file's text, secrets among it.
void mask_records(Json& value) {
    if (!value.is_structured()) return;
    for (auto& [key, member] : value.items()) {
        if (value.is_object() && key == "record")
            member = masked;
        else
            mask_records(member);
    }
}

void mask_apply(Json& arguments) {
    mask_records(arguments);
    const auto overrides = arguments.find("set");
    if (overrides == arguments.end() || !overrides->is_array()) return;
    for (auto& item : *overrides) {
        if (!item.is_string()) continue;
        const auto& text = item.get_ref<const std::string&>();
        const auto equals = text.find('=');
        if (equals != std::string::npos) item = text.substr(0, equals) + '=' + masked;
    }
}

/// qapi/qom.json: ObjectPropertyValue, in the lists of qom-list-get.
void mask_listed(Json& value) {
    if (value.is_object() && value.contains("value") && is_secret_property(text_of(value, "name")))
        value["value"] = masked;
    else if (value.is_structured())
        for (auto& member : value) mask_listed(member);
}

std::string name_of(const Json& command) {
    if (!command.is_object()) return {};
    const auto name = text_of(command, "execute");
    return name.empty() ? text_of(command, "exec-oob") : name;
}

}  // namespace

Json without_secrets(Json command) {
    const auto arguments = command.is_object() ? command.find("arguments") : command.end();
    if (arguments == command.end()) return command;
    const auto name = name_of(command);
    mask(*arguments, false);
    if (arguments->is_object() && name == "human-monitor-command") mask_monitor_line(*arguments);
    if (arguments->is_object() && name == control::apply) mask_apply(*arguments);
    return command;
}

Json reply_without_secrets(const Json& command, Json reply) {
    const auto value = reply.find("return");
    if (value == reply.end()) return reply;
    if (name_of(command) == "qom-list-get") mask_listed(*value);
    const auto arguments = command.is_object() ? command.find("arguments") : command.end();
    const bool asks = name_of(command) == "qom-get" && arguments != command.end() && arguments->is_object();
    if (asks && is_secret_property(text_of(*arguments, "property"))) *value = masked;
    return reply;
}

}  // namespace qvm::launch
