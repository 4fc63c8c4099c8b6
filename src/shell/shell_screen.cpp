// SPDX-License-Identifier: GPL-3.0-or-later
// What the shell shows.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/shell.hpp"

namespace qvm::shell {
namespace {

std::string joined(const std::vector<std::string>& keys, std::size_t most = 2) {
    std::string out;
    for (std::size_t i = 0; i < keys.size() && i < most; ++i) out += (i > 0 ? " " : "") + spoken(keys[i]);
    return out;
}

/// Of a path the end tells more than the beginning.
std::string ending_of(const std::string& text, std::size_t columns) {
    if (columns_of(text) <= columns) return text;
    std::string_view rest = text;
    while (columns_of(rest) + 3 > columns) {
        rest.remove_prefix(1);
        while (!rest.empty() && (static_cast<unsigned char>(rest.front()) & 0xC0U) == 0x80)
            rest.remove_prefix(1);
    }
    return "..." + std::string(rest);
}

/// As many of them as fit, whole, from the first.
Line hints(const std::vector<std::string>& all, std::size_t columns) {
    std::string text;
    for (const auto& one : all) {
        if (one.empty()) continue;
        const auto longer = text.empty() ? one : text + "  " + one;
        if (columns_of(longer) > columns) break;
        text = longer;
    }
    return {{std::move(text), Role::Dim}};
}

}  // namespace

void Shell::draw() {
    Screen screen;
    screen.rows = rows_;
    screen.columns = columns_;
    screen.title = title();
    screen.status = status();
    screen.editing = mode() == Mode::Command;
    if (screen.editing) {
        screen.input = input();
        screen.popup = completer_.popup();
    }
    const auto rows = body_rows(screen);
    if (!question_ && !pages_.empty()) {
        screen.body = pages_.back().lines(rows, columns_);
        screen.body_at_bottom = false;
    } else if (details_) {
        screen.body = details_->lines(rows, columns_);
        screen.body_at_bottom = false;
    } else {
        screen.body = here().view().lines(rows, columns_);
    }
    // What is in sight of a page, and what is below it, is known only now.
    screen.hint = hint();
    screen.bell = std::exchange(bell_, false);
    ui_.draw(render(screen));
    if (here().events_per_second() > 0) draw_later();
}

Line Shell::title() {
    std::string text;
    switch (mode()) {
        case Mode::Command:
            text = "QMP Mode";
            break;
        case Mode::History:
            text = "Command History Mode";
            break;
        case Mode::Details:
            text = "Details: " + details_->title();
            break;
        case Mode::Pager:
            text = pages_.back().title();
            break;
    }
    Line line{{" " + text + "  ", Role::Title}};
    if (conversations_.size() == 1) {
        line.push_back({escape_controls(here().label()), Role::Title});
        return line;
    }
    for (std::size_t i = 0; i < conversations_.size(); ++i) {
        const auto mark = activity_[i] ? "*" : "";
        const auto label = escape_controls(conversations_[i]->label());
        const auto name = fmt::format("{}:{}{}", i + 1, label, mark);
        line.push_back({i == current_ ? "[" + name + "] " : name + " ", Role::Title});
    }
    return line;
}

Line Shell::hint() {
    if (!message_.empty()) return message_;
    const auto key = [this](const char* action, const char* does) { return key_hint(action, does); };
    switch (mode()) {
        case Mode::Command:
            if (question_) return {{"Enter answers, Ctrl+C gives up", Role::Dim}};
            return command_hint();
        case Mode::History:
            return history_hint();
        case Mode::Details:
            return hints(
                {key("leave", "close"), key("toggle", "fold"), key("copy", "copy"), key("form", "form"),
                 key("search", "search"), key("run", "run again"), key("edit", "edit")},
                columns_);
        case Mode::Pager:
            return hints({pages_.back().place(), key("leave", "close"), key("page-down", "down"),
                          key("search", "search")},
                         columns_);
    }
    return {};
}

std::string Shell::key_hint(const char* action, const char* does) const {
    const auto keys = joined(keymap_.keys_of(mode(), action));
    return keys.empty() ? std::string() : fmt::format("[{}] {}", keys, does);
}

Line Shell::history_hint() {
    const auto* item = here().transcript().find(*here().view().selected());
    const bool command = item != nullptr && item->kind == ItemKind::Command;
    const bool event = item != nullptr && item->kind == ItemKind::Event;
    std::vector<std::string> all{key_hint("up", "up"), key_hint("down", "down"), key_hint("open", "inspect"),
                                 key_hint("leave", "back")};
    if (command) {
        all.push_back(key_hint("effect", "event"));
        all.push_back(key_hint("run", "run"));
        all.push_back(key_hint("edit", "edit"));
    }
    if (event) {
        all.push_back(key_hint("cause", "command"));
        all.push_back(key_hint("effect", "next event"));
    }
    for (const auto* action : {"copy", "search", "filter"}) all.push_back(key_hint(action, action));
    return hints(all, columns_);
}

Line Shell::command_hint() {
    const auto state = editor_.state();
    if (state.text.empty()) {
        auto& view = here().view();
        if (!view.following()) {
            const auto below = view.below();
            return {{below > 0 ? fmt::format("-- more ({}) --  ", below) : "-- scrolled --  ", Role::Warning},
                    {fmt::format("{}: to the end", joined(keymap_.keys_of(Mode::Command, "scroll-bottom"))),
                     Role::Dim}};
        }
        return {{fmt::format("Tab: complete  {}: help  {}: select  {}: view",
                             joined(keymap_.keys_of(Mode::Command, "help"), 1),
                             joined(keymap_.keys_of(Mode::Command, "select"), 1),
                             joined(keymap_.keys_of(Mode::Command, "view"), 1)),
                 Role::Dim}};
    }
    // What is at the word being typed is not said yet, unless nothing else is.
    for (const auto& finding : findings_) {
        if (finding.where.end >= state.text.size() && !finding.blocks && state.text == checked_text_ &&
            state.point == state.text.size() && finding.where.begin < finding.where.end)
            continue;
        return {{finding.blocks ? "error: " : "check: ", Role::Warning},
                {escape_controls(finding.message) +
                     (finding.hint.empty() ? "" : "  " + escape_controls(finding.hint)),
                 Role::Plain}};
    }
    const auto word = state.text.substr(0, state.text.find_first_of(" !|"));
    if (word.starts_with('/')) {
        const auto* builtin = find_builtin(word.substr(1));
        if (builtin == nullptr) return {{"Tab: the shell's commands", Role::Dim}};
        return {{fmt::format("/{} {}", builtin->name, builtin->arguments), Role::Key},
                {std::string("  ") + builtin->summary, Role::Dim}};
    }
    if (state.text.size() > word.size()) return synopsis(word, here());
    const auto& names = here().command_names();
    if (std::ranges::find(names, word) != names.end()) return synopsis(word, here());
    return {{"Tab: complete", Role::Dim}};
}

Line Shell::status() {
    auto& where = here();
    std::string left =
        " " + ending_of(escape_controls(where.label()), std::max<std::size_t>(12, columns_ / 4));
    const auto& server = where.status();
    // The server's words are as long as it likes; what stands behind them is to be seen as well.
    const auto add = [&left](const std::string& text) {
        const auto safe = escape_controls(text);
        if (!safe.empty()) left += " | " + std::string(cut_to_columns(safe, 30));
    };
    switch (where.link().state()) {
        case LinkState::Connected:
            add(server.run_state.empty() ? "connected" : server.run_state);
            break;
        case LinkState::Connecting:
            add("CONNECTING");
            break;
        case LinkState::Offline:
            add("a loaded log");
            break;
        case LinkState::Waiting:
            add("NOT CONNECTED, trying again");
            break;
    }
    for (const auto& [id, progress] : server.jobs) add(id + ": " + progress);
    add(server.migration);
    if (const auto rate = where.events_per_second(); rate > 0) add(fmt::format("{} ev/s", rate));
    if (const auto pending = where.transcript().pending(); pending > 0)
        add(fmt::format("{} pending", pending));
    add(name_of(where.view().mode()));
    if (!where.view().filter_text().empty()) add("filter " + where.view().filter_text());
    if (!where.view().following()) add(fmt::format("{} below", where.view().below()));
    if (recording) add("recording");
    if (const auto vi = editor_.state().mode; !vi.empty()) add("vi " + vi);
    return {{left, Role::Title}};
}

InputLine Shell::input() {
    const auto state = editor_.state();
    InputLine line;
    line.text = state.text;
    line.point = state.point;
    if (!state.prompt.empty())
        line.prompt = state.prompt;
    else if (question_)
        line.prompt = question_->prompt;
    if (question_ || !state.prompt.empty()) return line;
    for (const auto& finding : findings_)
        line.marks.push_back({finding.where.begin, std::max(finding.where.end, finding.where.begin + 1)});
    if (state.point == state.text.size() && !state.text.empty()) line.suggestion = suggestion_;
    return line;
}

}  // namespace qvm::shell
