// SPDX-License-Identifier: GPL-3.0-or-later
// Commands that change what is shown.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/builtins.hpp"
#include "shell/layout.hpp"
#include "shell/schema_page.hpp"
#include "shell/shell.hpp"

namespace qvm::shell::builtins {
namespace {

std::string rest_of(const BuiltinCall& call) {
    const auto begin = call.rest.find_first_not_of(" \t");
    if (begin == std::string::npos) return {};
    return call.rest.substr(begin, call.rest.find_last_not_of(" \t") - begin + 1);
}

/// The right side stands in a column of its own, behind the left one or, where that is too long, below it.
void row(std::vector<Line>& lines, const std::string& left, const std::string& right, std::size_t columns,
         std::size_t width) {
    const auto begin = lines.size();
    flow({{right}}, width, width, columns, lines);
    const Span key{"  " + left, Role::Key};
    const auto used = columns_of(key.text);
    // On a narrow screen there is no indent.
    const std::string indent(width, ' ');
    if (lines.size() > begin && lines[begin].front().text.starts_with(indent) && used < width) {
        lines[begin].front().text.replace(0, width, width - used, ' ');
        lines[begin].insert(lines[begin].begin(), key);
    } else {
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(begin), fit({key}, columns));
    }
}

std::vector<Line> help_page(std::size_t columns) {
    std::vector<Line> lines;
    const auto text = [&lines, columns](const std::string& words, Role role = Role::Plain) {
        flow({{words, role}}, words.starts_with(' ') ? 2 : 0, 2, columns, lines);
    };
    text("Commands", Role::Name);
    for (const auto* words :
         {"query-status", "block_resize node-name=disk0 size=20G",
          "blockdev-add node-name=n driver=qcow2 file.driver=file file.filename=/a.qcow2",
          "{\"execute\": \"query-block\"}", "query-block | .[0].device", "yank! instances=[]"})
        text(std::string("  ") + words, Role::Key);
    text(
        "Values get the type that the server's schema tells; \"42\" is a string, key:={...} is JSON. "
        "qvm-shell(7) has the whole grammar.");
    lines.emplace_back();
    text("The shell's own commands", Role::Name);
    for (const auto& one : builtin_commands())
        row(lines, fmt::format("/{} {}", one.name, one.arguments), one.summary, columns, 34);
    lines.emplace_back();
    text("F1 on a command shows QEMU's documentation of it; F2 shows all keys.");
    return lines;
}

}  // namespace

void help(Shell& shell, const BuiltinCall& call, const Done& done) {
    if (call.words.empty()) {
        shell.open({"Help", help_page});
        return done(true);
    }
    auto name = call.words.front();
    if (name.starts_with('/')) {
        const auto* builtin = find_builtin(std::string_view(name).substr(1));
        if (builtin == nullptr)
            return fail(shell, done, fmt::format("the shell has no command '{}'; /help lists them", name));
        shell.say(fmt::format("/{} {}: {}", builtin->name, builtin->arguments, builtin->summary));
        return done(true);
    }
    auto& where = shell.here();
    const auto* manual = where.manual();
    const auto* schema = where.schema();
    if (manual != nullptr && !manual->page(name, 80).empty()) {
        shell.open({name + ": QEMU's manual" + (manual->version().empty() ? "" : " of " + manual->version()),
                    [manual, name](std::size_t columns) { return manual->page(name, columns); }});
        return done(true);
    }
    if (const auto* command = schema == nullptr ? nullptr : schema->command(name)) {
        const auto lines = schema_page(*command, 78);
        shell.open({name, [lines](std::size_t) { return lines; }});
        return done(true);
    }
    if (const auto* event = schema == nullptr ? nullptr : schema->event(name)) {
        const auto lines = schema_page(*event, 78);
        shell.open({name, [lines](std::size_t) { return lines; }});
        return done(true);
    }
    auto names = where.command_names();
    if (schema != nullptr)
        names.insert(names.end(), schema->event_names().begin(), schema->event_names().end());
    const auto meant = did_you_mean(name, names);
    fail(shell, done, fmt::format("nothing is known of '{}'{}{}", name, meant.empty() ? "" : ": ", meant));
}

void keys(Shell& shell, const BuiltinCall& /*call*/, const Done& done) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const auto& action : actions()) {
        if (*action.summary == '\0') continue;
        std::string keys;
        for (const auto& key : shell.keymap().keys_of(action.mode, action.name))
            keys += (keys.empty() ? "" : " ") + spoken(key);
        rows.emplace_back(fmt::format("{} {}", name_of(action.mode), action.name),
                          fmt::format("{}: {}", keys.empty() ? "no key" : keys, action.summary));
    }
    shell.open({"Keys", [rows](std::size_t columns) {
                    std::vector<Line> lines;
                    for (const auto& [action, words] : rows) row(lines, action, words, columns, 28);
                    lines.emplace_back();
                    flow(
                        {{"In the line, all keys of GNU readline and ~/.inputrc work as well. /bind MODE KEY "
                          "ACTION changes a key.",
                          Role::Dim}},
                        0, 0, columns, lines);
                    return lines;
                }});
    done(true);
}

void view(Shell& shell, const BuiltinCall& call, const Done& done) {
    auto& view = shell.here().view();
    if (call.words.empty()) {
        view.set_mode(next_view(view.mode()));
    } else {
        const auto mode = view_named(call.words.front());
        if (!mode)
            return fail(
                shell, done,
                fmt::format("there is no view '{}': summary, json-summary, json, pretty, raw or typed",
                            call.words.front()));
        view.set_mode(*mode);
    }
    shell.changed();
    done(true);
}

void filter(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto text = rest_of(call);
    if (text.empty()) {
        shell.here().view().set_filter(std::nullopt, {});
        shell.changed();
        return done(true);
    }
    auto parsed = Filter::parse(text);
    if (const auto* error = std::get_if<FilterError>(&parsed))
        return fail(shell, done, fmt::format("filter, column {}: {}", error->column, error->message));
    shell.here().view().set_filter(std::get<Filter>(std::move(parsed)), text);
    shell.changed();
    done(true);
}

void search(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto text = rest_of(call);
    auto& view = shell.here().view();
    view.select(std::nullopt);
    view.mark_matches(text);
    // The search itself is an item no longer: what holds the text only because it asks for it is no match.
    const bool found = text.empty() || view.search(text, true);
    if (!found) shell.complain(fmt::format("nothing holds '{}'", text));
    shell.changed();
    done(found);
}

void clear(Shell& shell, const BuiltinCall& /*call*/, const Done& done) {
    shell.here().view().hide_past();
    shell.changed();
    done(true);
}

void quit(Shell& shell, const BuiltinCall& /*call*/, const Done& done) {
    done(true);
    shell.leave();
}

void set(Shell& shell, const BuiltinCall& call, const Done& done) {
    auto& view = shell.here().view();
    if (call.words.empty()) {
        shell.say(fmt::format("view {}, clock {}", name_of(view.mode()), name_of(view.clock())));
        return done(true);
    }
    const auto& name = call.words.front();
    const auto value = call.words.size() > 1 ? call.words[1] : std::string();
    if (name == "view") {
        const auto mode = view_named(value);
        if (!mode)
            return fail(shell, done, "view is one of summary, json-summary, json, pretty, raw and typed");
        for (auto& one : shell.conversations()) one->view().set_mode(*mode);
    } else if (name == "clock") {
        const auto clock = clock_named(value);
        if (!clock) return fail(shell, done, "clock is one of none, minutes, seconds and microseconds");
        for (auto& one : shell.conversations()) one->view().set_clock(*clock);
    } else {
        return fail(shell, done, fmt::format("there is no setting '{}': view, clock", name));
    }
    shell.changed();
    done(true);
}

void bind(Shell& shell, const BuiltinCall& call, const Done& done) {
    auto words = call.words;
    auto mode = Mode::Command;
    if (!words.empty()) {
        for (const auto one : {Mode::Command, Mode::History, Mode::Details, Mode::Pager}) {
            if (words.front() != name_of(one)) continue;
            mode = one;
            words.erase(words.begin());
            break;
        }
    }
    if (words.empty()) return keys(shell, call, done);
    std::string action;
    for (std::size_t i = 1; i < words.size(); ++i) action += (i > 1 ? " " : "") + words[i];
    if (auto why = shell.keymap().bind(mode, words.front(), action); !why.empty())
        return fail(shell, done, std::move(why));
    done(true);
}

void alias(Shell& shell, const BuiltinCall& call, const Done& done) {
    auto& aliases = shell.aliases();
    if (call.words.empty()) {
        for (const auto& [name, entry] : aliases) shell.say(fmt::format("/{}  {}", name, entry));
        if (aliases.empty()) shell.say("there is no alias; /alias NAME ENTRY makes one");
        return done(true);
    }
    const auto& name = call.words.front();
    if (find_builtin(name) != nullptr)
        return fail(shell, done, fmt::format("'{}' is a command of the shell already", name));
    auto rest = rest_of(call);
    rest.erase(0, std::min(rest.size(), rest.find_first_of(" \t")));
    const auto begin = rest.find_first_not_of(" \t");
    if (begin == std::string::npos) {
        if (aliases.erase(name) == 0) return fail(shell, done, fmt::format("there is no alias '{}'", name));
    } else {
        aliases[name] = rest.substr(begin);
    }
    done(true);
}

void window(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto& words = call.words;
    auto& all = shell.conversations();
    if (words.empty()) {
        for (std::size_t i = 0; i < all.size(); ++i)
            shell.say(fmt::format("{}{}  {}", i + 1, i == shell.current() ? "*" : " ", all[i]->label()));
        return done(true);
    }
    if (words.front() == "open" && words.size() == 2) {
        try {
            shell.add_conversation(shell.options().find_target(words[1]));
        } catch (const Error& error) {
            return fail(shell, done, error.what());
        }
        shell.show_conversation(all.size() - 1);
        return done(true);
    }
    if (words.front() == "close" && words.size() == 1) {
        if (all.size() == 1) return fail(shell, done, "it is the last window: /quit leaves the shell");
        shell.close_conversation();
        return done(true);
    }
    const auto& word = words.front();
    if (words.size() == 1 && word.size() == 1 && word[0] >= '1' && word[0] <= '9' &&
        static_cast<std::size_t>(word[0] - '0') <= all.size()) {
        shell.show_conversation(static_cast<std::size_t>(word[0] - '1'));
        return done(true);
    }
    fail(shell, done,
         fmt::format("/window: a number from 1 to {}, open NAME or SOCKET, or close", all.size()));
}

}  // namespace qvm::shell::builtins
