// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/secrets.hpp"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <vector>

#include <fmt/format.h>

#include "shell/json_text.hpp"

namespace qvm::shell {
namespace {

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

/// Members that hold a secret wherever they are. "key-secret", "password-secret" and the like hold an
/// object's id, which is none. "cookie": of the curl block drivers.
bool is_secret_name(std::string_view name) {
    return one_of(name, {"password", "secret", "passphrase", "cookie", "passwd"});
}

/// Properties of secret objects that qom-set and qom-get reach.
bool is_secret_property(std::string_view name) {
    return name == "data" || is_secret_name(name);
}

using Replace = std::function<std::string(std::string_view value)>;

std::string masked(std::string_view) {
    return fmt::format("\"{}\"", mask);
}

/// The text with the values of some members replaced, whatever they are in; all else byte for byte. true,
/// false and null tell nothing and stay.
std::string replace_values(std::string_view json, const std::function<bool(std::string_view)>& wanted,
                           const Replace& replace) {
    std::string out;
    std::size_t copied = 0;
    JsonScanner scanner(json);
    while (const auto token = scanner.next()) {
        if (token->kind != JsonToken::Kind::String || !scanner.before_colon()) continue;
        if (!wanted(json_string_value(token->of(json)))) continue;
        scanner.next();
        auto peek = scanner;
        const auto value = peek.next();
        if (!value || value->kind == JsonToken::Kind::End || value->kind == JsonToken::Kind::Comma ||
            value->kind == JsonToken::Kind::Literal)
            continue;
        const auto end = scanner.skip_value();
        out += json.substr(copied, value->begin - copied);
        out += replace(json.substr(value->begin, end - value->begin));
        copied = end;
    }
    return out.append(json.substr(copied));
}

std::string member_text(std::string_view json, std::string_view name) {
    const auto value = json_member(json, name);
    return value ? json_string_value(*value) : std::string();
}

std::string command_name(std::string_view sent) {
    auto name = member_text(sent, "execute");
    return name.empty() ? member_text(sent, "exec-oob") : name;
}

/// Two commas are one that belongs to the value.
std::size_t option_end(std::string_view line, std::size_t at) {
    for (; at < line.size(); ++at) {
        if (line[at] != ',') continue;
        if (!line.substr(at + 1).starts_with(',')) return at;
        ++at;
    }
    return line.size();
}

/// "object_add secret,id=s,data=x" and "set_password vnc x": the values after "data=" and the like up to the
/// next comma, and the words after those that set a password.
std::string mask_hmp(std::string_view value) {
    auto line = json_string_value(value);
    for (const std::string_view key : {"data=", "password=", "passphrase=", "cookie="})
        for (auto at = line.find(key); at != std::string::npos; at = line.find(key, at + 1)) {
            if (at > 0 && line[at - 1] != ',' && line[at - 1] != ' ' && line[at - 1] != '.') continue;
            const auto begin = at + key.size();
            line.replace(begin, option_end(line, begin) - begin, mask);
        }
    std::vector<std::string_view> words;
    const std::string copy = line;
    for (std::size_t at = 0; (at = copy.find_first_not_of(' ', at)) != std::string::npos;) {
        const auto end = std::min(copy.find(' ', at), copy.size());
        words.push_back(std::string_view(copy).substr(at, end - at));
        at = end;
    }
    const bool sets = words.size() > 2 && words[0] == "set_password";
    const bool changes = words.size() > 3 && words[0] == "change" && one_of(words[2], {"password", "passwd"});
    if (sets) line = fmt::format("{} {} {}", words[0], words[1], mask);
    if (changes) line = fmt::format("{} {} {} {}", words[0], words[1], words[2], mask);
    return quote_json(line);
}

}  // namespace

std::string mask_sent(std::string_view sent) {
    const auto command = command_name(sent);
    const auto arguments = json_member(sent, "arguments").value_or("");
    const bool secret_object =
        command == "object-add" && member_text(arguments, "qom-type").starts_with("secret");
    const bool sets_secret = command == "qom-set" && is_secret_property(member_text(arguments, "property"));
    const bool changes =
        command == "change" && one_of(member_text(arguments, "target"), {"password", "passwd"});
    const auto wanted = [&](std::string_view name) {
        return is_secret_name(name) || (secret_object && name == "data") ||
               (sets_secret && name == "value") || (changes && name == "arg");
    };
    auto out = replace_values(sent, wanted, masked);
    if (command != "human-monitor-command") return out;
    return replace_values(
        out, [](std::string_view name) { return name == "command-line"; }, mask_hmp);
}

std::string mask_received(std::string_view received, std::string_view sent) {
    const bool got_secret =
        command_name(sent) == "qom-get" &&
        is_secret_property(member_text(json_member(sent, "arguments").value_or(""), "property"));
    const auto wanted = [&](std::string_view name) {
        return is_secret_name(name) || (got_secret && name == "return");
    };
    return replace_values(received, wanted, masked);
}

}  // namespace qvm::shell
