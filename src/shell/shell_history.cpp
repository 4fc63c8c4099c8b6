// SPDX-License-Identifier: GPL-3.0-or-later
// What keys do in the log, in details and on pages.
#include <sstream>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/effects.hpp"
#include "shell/shell.hpp"

namespace qvm::shell {
namespace {

/// Of a notice there is nothing to fold: all of it, to read.
Page page_of_notice(const Item& notice) {
    return {"Notice", [text = notice.name](std::size_t columns) {
                std::vector<Line> lines;
                std::istringstream in(text);
                for (std::string line; std::getline(in, line);)
                    for (auto& part : wrap({{escape_controls(line), Role::Plain}}, columns))
                        lines.push_back(std::move(part));
                return lines;
            }};
}

}  // namespace

// ---- The log.

void Shell::enter_history(bool up) {
    auto& view = here().view();
    if (up && !view.select_up()) message_ = {{"nothing to select", Role::Warning}};
}

void Shell::take_in_history(const Key& key) {
    auto& view = here().view();
    const auto action = keymap_.action(Mode::History, key.name);
    const auto selected = *view.selected();
    const auto* item = here().transcript().find(selected);
    if (action == "up") {
        view.select_up();
    } else if (action == "down") {
        if (!view.select_down()) view.select(std::nullopt);
    } else if (action == "page-up" || action == "page-down") {
        for (std::size_t i = 0; i < page_size(); ++i)
            if (!(action == "page-up" ? view.select_up() : view.select_down())) break;
    } else if (action == "top") {
        while (view.select_up()) continue;
    } else if (action == "bottom") {
        view.select(std::nullopt);
        view.follow();
        view.select_up();
    } else if (action == "leave" || item == nullptr) {
        view.select(std::nullopt);
        view.follow();
    } else if (action == "open") {
        if (view.toggle_run(selected)) return;
        if (item->kind == ItemKind::Notice)
            open(page_of_notice(*item));
        else
            details_.emplace(*item);
    } else if (action == "run" || action == "edit") {
        const bool command = item->kind == ItemKind::Command;
        const auto text = item->typed().empty() ? item->sent() : item->typed();
        if (!command) {
            message_ = {{"only a command can be run again", Role::Warning}};
        } else if (action == "run") {
            view.select(std::nullopt);
            run(text);
        } else {
            view.select(std::nullopt);
            editor_.set_text(text);
            edited();
        }
    } else if (action == "copy") {
        copy(item->kind == ItemKind::Command ? item->sent() + "\n" + item->received : item->received);
    } else if (action == "effect") {
        go_to_effect(selected);
    } else if (action == "cause") {
        go_to_cause(selected);
    } else if (action == "search") {
        ask_search(true);
    } else if (action == "search-next" || action == "search-previous") {
        if (needle_.empty() || !view.search(needle_, action == "search-next"))
            message_ = {{"no further match", Role::Warning}};
    } else if (action == "filter") {
        ask("filter: ", [this](const std::string& text) { run("/filter " + text); });
    } else {
        act_anywhere(action);
    }
}

// ---- From a command to its events, and back.

void Shell::go_to_effect(std::uint64_t item) {
    const auto& transcript = here().transcript();
    const auto* from = transcript.find(item);
    const bool event = from != nullptr && from->kind == ItemKind::Event;
    const auto command = event ? cause_of(transcript, item) : item;
    const auto effect = command ? effect_after(transcript, *command, item) : std::nullopt;
    if (effect) return go_to(*effect);
    message_ = {{event ? "no further event of the command that caused this one"
                       : "no event is known that this has caused",
                 Role::Warning}};
}

void Shell::go_to_cause(std::uint64_t event) {
    if (const auto cause = cause_of(here().transcript(), event)) return go_to(*cause);
    message_ = {{"no command is known that has caused this", Role::Warning}};
}

void Shell::go_to(std::uint64_t item) {
    const auto* there = here().transcript().find(item);
    if (!here().view().reveal(item)) {
        message_ = {{fmt::format("item {}, {}, is not shown: /filter off, or it was cleared away", item,
                                 escape_controls(there->name)),
                     Role::Warning}};
        return;
    }
    if (details_) details_.emplace(*there);
}

// ---- Details and pages.

void Shell::take_in_details(const Key& key) {
    const auto action = keymap_.action(Mode::Details, key.name);
    const auto* item = here().transcript().find(details_->item());
    if (action == "up")
        details_->move(-1);
    else if (action == "down")
        details_->move(1);
    else if (action == "page-up")
        details_->page(false);
    else if (action == "page-down")
        details_->page(true);
    else if (action == "top")
        details_->to_top();
    else if (action == "bottom")
        details_->to_bottom();
    else if (action == "toggle")
        details_->toggle();
    else if (action == "fold")
        details_->fold();
    else if (action == "unfold")
        details_->unfold();
    else if (action == "fold-all")
        details_->fold_all();
    else if (action == "unfold-all")
        details_->unfold_all();
    else if (action == "form")
        details_->next_form();
    else if (action == "copy")
        copy(details_->selected_text());
    else if (action == "copy-path")
        copy(details_->selected_path());
    else if (action == "leave")
        details_.reset();
    else if (action == "search")
        ask_search(false);
    else if (action == "search-next" || action == "search-previous") {
        if (needle_.empty() || !details_->search(needle_, action == "search-previous"))
            message_ = {{"no further match", Role::Warning}};
    } else if (action == "effect") {
        go_to_effect(details_->item());
    } else if (action == "cause") {
        go_to_cause(details_->item());
    } else if (action == "save") {
        run(fmt::format("/save --item {}", details_->item()));
    } else if ((action == "run" || action == "edit") && item != nullptr && item->kind == ItemKind::Command) {
        const auto text = item->typed().empty() ? item->sent() : item->typed();
        details_.reset();
        here().view().select(std::nullopt);
        if (action == "run") return run(text);
        editor_.set_text(text);
        edited();
    } else {
        act_anywhere(action);
    }
}

void Shell::take_in_page(const Key& key) {
    auto& page = pages_.back();
    const auto action = keymap_.action(Mode::Pager, key.name);
    const auto rows = static_cast<long>(page_size());
    if (action == "up")
        page.scroll(-1);
    else if (action == "down")
        page.scroll(1);
    else if (action == "page-up")
        page.scroll(-rows);
    else if (action == "page-down")
        page.scroll(rows);
    else if (action == "top")
        page.to_top();
    else if (action == "bottom")
        page.to_bottom();
    else if (action == "leave")
        pages_.pop_back();
    else if (action == "search")
        ask_search(false);
    else if (action == "search-next" || action == "search-previous") {
        if (needle_.empty() || !page.search(needle_, action == "search-previous"))
            message_ = {{"no further match", Role::Warning}};
    } else {
        act_anywhere(action);
    }
}

}  // namespace qvm::shell
