// SPDX-License-Identifier: GPL-3.0-or-later
// A difference as a table for people, and as JSON.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "launch/diff.hpp"

namespace qvm::launch {
namespace {

/// How an action is called in the table and in JSON, in the order of the enum.
struct ActionWords {
    std::string_view symbol, word;
};
constexpr std::array<ActionWords, 5> action_words{
    {{"+", "add"}, {"-", "remove"}, {"~", "change"}, {"-/+", "replug"}, {"!", "next-start"}}};

const ActionWords& words_of(Action action) {
    return action_words.at(static_cast<std::size_t>(action));
}

std::string text_of(const Json& value) {
    constexpr std::size_t longest = 40;
    auto text = value.is_null()     ? std::string("none")
                : value.is_string() ? value.get<std::string>()
                                    : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.size() > longest ? text.substr(0, longest - 3) + "..." : text;
}

/// "virtio-blk-pci on port3", "qcow2 /srv/data.qcow2": what a resource is.
std::string what_is(const Json& arguments) {
    if (!arguments.is_object()) return {};
    const Json* about = &arguments;
    if (arguments.contains("backend")) about = &arguments.at("backend");
    std::string text;
    for (const char* member : {"driver", "qom-type", "type", "kind", "profile"})
        if (about->contains(member) && about->at(member).is_string())
            text = about->at(member).get<std::string>();
    if (arguments.contains("bus")) text += " on " + text_of(arguments.at("bus"));
    const Json* file = &arguments;
    while (file->contains("file") && file->at("file").is_object()) file = &file->at("file");
    if (file->contains("filename")) text += ' ' + text_of(file->at("filename"));
    return text;
}

/// The text of a secret is nobody's business but QEMU's.
bool is_secret(const Change& change, const std::string& member) {
    return change.resource.kind == config::Kind::Object && !change.resource.id.empty() && member == "data";
}

/// A value of a change without the secret that may be in it.
Json without_secrets(const Change& change, Json value) {
    constexpr const char* hidden = "<secret>";
    if (!value.is_null() && is_secret(change, change.member)) return hidden;
    if (change.member.empty() && value.is_object() && value.contains("data") && is_secret(change, "data"))
        value["data"] = hidden;
    return value;
}

/// What changed, of a resource that is there before and after.
std::string what_changes(const Change& change) {
    if (!change.before.is_object() || !change.after.is_object()) return what_is(change.after);
    std::vector<std::string> parts;
    const auto say = [&](const std::string& key) {
        const auto in = [&](const Json& side) { return side.contains(key) ? side.at(key) : Json(); };
        if (in(change.before) == in(change.after)) return;
        const bool plain = !is_secret(change, key) && !in(change.before).is_structured() &&
                           !in(change.after).is_structured();
        parts.push_back(
            plain ? fmt::format("{} {} -> {}", key, text_of(in(change.before)), text_of(in(change.after)))
                  : key);
    };
    for (const auto& member : change.before.items()) say(member.key());
    for (const auto& member : change.after.items())
        if (!change.before.contains(member.key())) say(member.key());
    return fmt::format("{}", fmt::join(parts, ", "));
}

struct Row {
    std::string symbol, thing, what, when, from;
};

std::string when_of(const Change& change) {
    const auto because = change.why.empty() ? std::string() : ": " + change.why;
    switch (change.action) {
        case Action::Add:
        case Action::InPlace:
            return "now";
        case Action::Remove:
            return change.resource.kind == config::Kind::Device ? "now, when the guest lets it go" : "now";
        case Action::Replug:
            return "with --replug" + because;
        case Action::NextStart:
            return "at the next start" + because;
    }
    return {};
}

Row row_of(const Change& change) {
    Row row{std::string(words_of(change.action).symbol), {}, {}, when_of(change), change.origin.to_string()};
    const bool whole = change.member.empty();
    row.thing = change.resource.id.empty() ? change.member
                : whole                    ? change.resource.to_string()
                                           : change.resource.to_string() + '.' + change.member;
    if (!whole)
        row.what = fmt::format("{} -> {}", text_of(without_secrets(change, change.before)),
                               text_of(without_secrets(change, change.after)));
    else if (change.action == Action::Remove || change.after.is_null())
        row.what = what_is(change.before);
    else
        row.what = what_changes(change);
    if (change.way == Way::Grow)
        row.what = change.after.is_null() ? "as large as it is"
                                          : "at least " + format_size(change.after.get<std::uint64_t>());
    if (change.way == Way::Balloon) {
        const auto size = [](const Json& bytes) {
            return bytes.is_null() ? "all" : format_size(bytes.get<std::uint64_t>());
        };
        row.what = fmt::format("{} -> {}", size(change.before), size(change.after));
    }
    if (change.way == Way::Link) row.what = change.after.get<bool>() ? "up" : "down";
    return row;
}

std::string summary_of(const Difference& difference) {
    const auto count = [&](Action action) {
        return std::ranges::count(difference.changes, action, &Change::action);
    };
    std::vector<std::string> parts;
    const auto say = [&](Action action, std::string_view words) {
        if (const auto number = count(action); number > 0)
            parts.push_back(fmt::format("{} {}", number, words));
    };
    say(Action::Add, "to add");
    say(Action::InPlace, "to change");
    say(Action::Remove, "to remove");
    say(Action::Replug, "to replug");
    say(Action::NextStart, "at the next start");
    return fmt::format("{}\n", fmt::join(parts, ", "));
}

}  // namespace

std::string to_text(const Difference& difference) {
    if (difference.empty()) return "nothing to change\n";
    std::vector<Row> rows;
    for (const auto& change : difference.changes) rows.push_back(row_of(change));
    constexpr std::size_t widest = 48;
    std::size_t thing = 0, what = 0, when = 0;
    for (auto& row : rows) {
        row.what = escape_controls(row.what);
        thing = std::max(thing, std::min(widest, display_width(row.thing)));
        what = std::max(what, std::min(widest, display_width(row.what)));
        when = std::max(when, std::min(widest, display_width(row.when)));
    }
    const auto padded = [](const std::string& text, std::size_t width) {
        const auto is = display_width(text);
        return text + std::string(is < width ? width - is : 0, ' ');
    };
    std::string text;
    for (const auto& row : rows) {
        auto line = fmt::format("{:>3} {}  {}  {}  {}", row.symbol, padded(row.thing, thing),
                                padded(row.what, what), padded(row.when, when), row.from);
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text + summary_of(difference);
}

Json to_json(const Difference& difference) {
    Json list = Json::array();
    for (const auto& change : difference.changes) {
        Json entry = Json::object();
        entry["action"] = words_of(change.action).word;
        entry["made-by"] = change.made_by;
        if (!change.resource.id.empty()) entry["resource"] = change.resource.to_string();
        if (!change.member.empty()) entry["member"] = change.member;
        entry["before"] = without_secrets(change, change.before);
        entry["after"] = without_secrets(change, change.after);
        if (!change.why.empty()) entry["why"] = change.why;
        if (change.origin.known()) entry["origin"] = change.origin.to_string();
        list.push_back(std::move(entry));
    }
    return list;
}

}  // namespace qvm::launch
