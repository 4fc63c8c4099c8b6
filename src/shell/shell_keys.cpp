// SPDX-License-Identifier: GPL-3.0-or-later
// What keys do in the input line, and everywhere.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/secrets.hpp"
#include "shell/shell.hpp"

namespace qvm::shell {
namespace {

constexpr std::string_view window_action = "window-";

/// Bytes of text that a key inserts, as opposed to a control or a sequence.
bool is_text(const Key& key) {
    return key.kind == Key::Kind::Press && !key.bytes.empty() &&
           static_cast<unsigned char>(key.bytes[0]) >= 0x20 && key.bytes[0] != '\x7f';
}

/// Values whose types the schema tells.
bool has_values(const Entered& entered) {
    const auto* request = std::get_if<Request>(&entered.what);
    return request != nullptr && (!request->arguments.empty() || !request->deferred.empty());
}

/// A password would be put into the command.
bool holds_secret(const Entered& entered) {
    Json message = Json::object();
    if (const auto* request = std::get_if<Request>(&entered.what)) {
        message["execute"] = request->command;
        message["arguments"] = request->arguments;
    } else if (const auto* raw = std::get_if<RawMessage>(&entered.what)) {
        message = raw->object;
    }
    const auto sent = message.dump(-1, ' ', false, Json::error_handler_t::replace);
    return mask_sent(sent) != sent;
}

/// What is wrong, what was meant, and what Enter does now. Where the row is too short for all of it, what was
/// meant alone: the place is marked in the line.
Line warning_of(const Finding& finding, std::size_t columns) {
    const Span tail{"  Enter sends it", Role::Dim};
    const auto room = columns - std::min(columns, columns_of(tail.text));
    const Line message{{escape_controls(finding.message), Role::Warning}};
    const Line hint{{escape_controls(finding.hint), Role::Plain}};
    Line line = message;
    if (!finding.hint.empty()) {
        line.push_back({"  "});
        line.push_back(hint.front());
        if (columns_of(line) > room && columns_of(hint) <= room) line = hint;
    }
    line = fit(std::move(line), room);
    line.push_back(tail);
    return line;
}

}  // namespace

Mode Shell::mode() const {
    if (question_) return Mode::Command;
    if (!pages_.empty()) return Mode::Pager;
    if (details_) return Mode::Details;
    return conversations_[current_]->view().selected() ? Mode::History : Mode::Command;
}

void Shell::take(const Key& key) {
    message_.clear();
    if (key.kind == Key::Kind::Mouse) return take_mouse(key);
    switch (mode()) {
        case Mode::Command:
            return take_in_command(key);
        case Mode::History:
            return take_in_history(key);
        case Mode::Details:
            return take_in_details(key);
        case Mode::Pager:
            return take_in_page(key);
    }
}

void Shell::take_mouse(const Key& key) {
    if (key.name == "click") {
        // The title takes the first row.
        if (key.row == 0 || !pages_.empty()) return;
        if (details_) return details_->select_row_on_screen(key.row - 1);
        if (mode() == Mode::Command || mode() == Mode::History) {
            Screen screen;
            screen.rows = rows_;
            screen.columns = columns_;
            screen.editing = mode() == Mode::Command;
            screen.input = input();
            const auto rows = body_rows(screen);
            const auto shown = here().view().lines(rows, columns_).size();
            if (key.row - 1 >= rows || key.row - 1 + shown < rows) return;
            if (const auto item = here().view().item_at(key.row - 1 + shown - rows))
                here().view().select(item);
        }
        return;
    }
    Key wheel;
    wheel.name = key.name;
    switch (mode()) {
        case Mode::Command:
            return take_in_command(wheel);
        case Mode::History:
            return take_in_history(wheel);
        case Mode::Details:
            return take_in_details(wheel);
        case Mode::Pager:
            return take_in_page(wheel);
    }
}

std::size_t Shell::page_size() const {
    return rows_ > 6 ? rows_ - 5 : 1;
}

/// What means the same in every mode. False if it is none of these.
bool Shell::act_anywhere(std::string_view action) {
    if (action.starts_with('/')) {
        run(std::string(action));
    } else if (action == "redraw") {
        ui_.redraw();
    } else if (action == "suspend") {
        ui_.suspend();
    } else if (action == "keys") {
        run("/keys");
    } else if (action == "view") {
        here().view().set_mode(next_view(here().view().mode()));
        message_ = {{fmt::format("view: {}", name_of(here().view().mode())), Role::Notice}};
    } else if (action == "save" && !details_) {
        run("/save");
    } else if (action == "mouse") {
        mouse_ = ui_.take_mouse(!mouse_);
        message_ = {{mouse_ ? "the mouse is the shell's" : "the mouse is the terminal's", Role::Notice}};
    } else if (action == "next-window") {
        show_conversation((current_ + 1) % conversations_.size());
    } else if (action.starts_with(window_action)) {
        show_conversation(static_cast<std::size_t>(action[window_action.size()] - '1'));
    } else {
        return false;
    }
    return true;
}

// ---- The input line.

void Shell::take_in_command(const Key& key) {
    if (key.kind == Key::Kind::Paste) return paste(key.bytes);
    const auto state = editor_.state();
    auto action = keymap_.action(Mode::Command, key.name);
    // A search or an argument of readline's (they have a prompt of their own) can be given up; else what it
    // is in the middle of gets the key.
    if (state.waiting && (action != "interrupt" || state.prompt.empty())) action = {};
    if (action == "accept") return accept(false);
    if (action == "accept-oob") {
        if (!question_) return accept(true);
        return editor_.replace(state.point, state.point, "\n");
    }
    if (action == "interrupt") {
        completer_.close();
        if (question_) {
            editor_.set_text(question_->line);
            question_.reset();
            return;
        }
        editor_.interrupt();
        return edited();
    }
    // Esc never leaves; in vi mode it is the editor's.
    if (action == "escape" && (completer_.is_open() || state.mode.empty())) return completer_.close();
    auto& view = here().view();
    if (action == "suggestion") {
        const bool at_end = state.point == state.text.size() && !state.text.empty() && !suggestion_.empty();
        if (at_end && !question_) {
            editor_.replace(state.point, state.point, suggestion_);
            return edited();
        }
    } else if (action == "select") {
        return enter_history(key.name != "a-down");
    } else if (action == "scroll-up" || action == "scroll-down") {
        const bool wheel = key.bytes.empty();
        const auto rows = static_cast<long>(wheel ? 3 : page_size());
        return view.scroll(action == "scroll-up" ? rows : -rows);
    } else if (action == "scroll-top") {
        return view.to_top();
    } else if (action == "scroll-bottom") {
        return view.follow();
    } else if (action == "help") {
        return help_on_line();
    } else if (action == "search") {
        return ask_search(true);
    } else if (!action.empty() && act_anywhere(action)) {
        return;
    }
    edit(key);
}

void Shell::edit(const Key& key) {
    if (key.name != "tab" && key.name != "s-tab") completer_.close();
    if (is_text(key) && !question_) here().want_schema();
    editor_.feed(key);
    if (accepted_) {
        // readline took the line by itself: at the end of a search, or by a key of ~/.inputrc.
        const auto line = *std::exchange(accepted_, std::nullopt);
        editor_.set_text(line);
        accept(false);
    }
    edited();
}

/// Checks the line anew when it has changed.
void Shell::edited() {
    const auto state = editor_.state();
    if (question_ || !state.prompt.empty()) return;
    if (state.text != warned_text_) warned_text_.clear();
    if (state.text == checked_text_) return;
    checked_text_ = state.text;
    findings_ = state.text.empty() ? std::vector<Finding>() : parse(state.text, here()).findings;
    suggestion_ = state.text.empty() ? std::string() : suggestion(state.text, editor_.history());
}

void Shell::paste(const std::string& text) {
    completer_.close();
    std::string kept = text;
    // Terminals send a line end as CR.
    std::ranges::replace(kept, '\r', '\n');
    while (kept.ends_with('\n')) kept.pop_back();
    here().want_schema();
    editor_.feed({Key::Kind::Paste, kept, "paste"});
    edited();
    std::string_view rest = kept;
    std::vector<std::string> entries;
    while (const auto entry = next_entry(rest, true)) entries.emplace_back(*entry);
    if (question_ || entries.size() < 2) return;
    // They are in the line now; nothing runs that nobody has agreed to.
    ask(fmt::format("run {} pasted entries, one after the other? (y, or n to edit them) ", entries.size()),
        [this, entries, kept](const std::string& answer) {
            if (answer != "y" && answer != "yes") return editor_.set_text(kept);
            run_all(entries);
        });
    question_->line = kept;
}

void Shell::accept(bool oob) {
    completer_.close();
    const auto text = editor_.state().text;
    if (question_) {
        auto question = *std::exchange(question_, std::nullopt);
        editor_.set_text(question.line);
        if (question.answered) {
            if (question.line.find('\n') != std::string::npos) editor_.set_text("");
            question.answered(text);
        }
        return edited();
    }
    accept_text(text, oob, false);
}

void Shell::accept_text(const std::string& text, bool oob, bool sure) {
    auto entered = parse(text, here());
    findings_ = entered.findings;
    checked_text_ = text;
    if (!entered.blocked() && (!waiting_.empty() || (has_values(entered) && !here().schema_is_settled())))
        return send_when_known(text, oob);
    if (entered.blocked()) {
        bell_ = true;
        warned_text_.clear();
        const auto blocking =
            std::ranges::find_if(findings_, [](const auto& finding) { return finding.blocks; });
        message_ = {{"not sent: ", Role::Error}, {escape_controls(blocking->message), Role::Plain}};
        if (!blocking->hint.empty()) message_.push_back({"  " + escape_controls(blocking->hint), Role::Dim});
        return;
    }
    if (!sure && !findings_.empty() && text != warned_text_) {
        warned_text_ = text;
        message_ = warning_of(findings_.front(), columns_);
        return;
    }
    forget_line();
    send(std::move(entered), text, oob);
}

void Shell::forget_line() {
    warned_text_.clear();
    findings_.clear();
    editor_.interrupt();
    checked_text_.clear();
    suggestion_.clear();
}

void Shell::send_when_known(const std::string& text, bool oob) {
    forget_line();
    waiting_.push_back({text, oob});
    if (waiting_.size() > 1) return;
    message_ = {{"sent as soon as the server's schema has come", Role::Dim}};
    here().with_schema([this, where = &here()] { send_waiting(*where); });
}

void Shell::send_waiting(const Conversation& where) {
    const auto entries = std::exchange(waiting_, {});
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto& [text, oob] = entries[i];
        auto entered = parse(text, here());
        const bool same = &where == &here();
        if (same && entered.findings.empty()) {
            send(std::move(entered), text, oob);
        } else if (same && i + 1 == entries.size() && editor_.state().text.empty() && !question_) {
            // As if it had been typed now: the check warns.
            editor_.set_text(text);
            accept_text(text, oob, false);
        } else {
            complain(fmt::format("not sent: {}{}{}", text, same ? ": " : ": another window is in front now",
                                 same ? entered.findings.front().message : ""));
            editor_.remember(text);
        }
    }
    changed();
}

void Shell::send(Entered entered, const std::string& text, bool oob) {
    if (std::holds_alternative<Nothing>(entered.what)) return;
    editor_.remember(text, holds_secret(entered) ? Editor::Remember::Session : Editor::Remember::File);
    if (auto complaint = editor_.complaint(); !complaint.empty()) complain(std::move(complaint));
    if (auto* request = std::get_if<Request>(&entered.what)) request->oob = request->oob || oob;
    here().view().follow();
    run_entered(std::move(entered), text, {});
}

void Shell::help_on_line() {
    auto text = editor_.state().text;
    const auto begin = text.find_first_not_of(" \t");
    text = begin == std::string::npos ? std::string() : text.substr(begin);
    const auto word = text.substr(0, text.find_first_of(" !|"));
    run(word.empty() ? "/help" : "/help " + word);
}

void Shell::ask_search(bool up) {
    ask("search: ", [this, up](const std::string& needle) {
        needle_ = needle;
        const auto* found = "nothing holds that";
        bool there = true;
        if (!pages_.empty())
            there = pages_.back().search(needle, false);
        else if (details_)
            there = details_->search(needle, false);
        else
            there = needle.empty() || here().view().search(needle, up);
        if (needle.empty()) here().view().mark_matches({});
        if (!there) message_ = {{found, Role::Warning}};
    });
}

}  // namespace qvm::shell
