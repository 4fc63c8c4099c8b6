// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/completer.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/text.hpp"
#include "shell/schema_page.hpp"

namespace qvm::shell {
namespace {

/// Of one directory, with a slash behind those that are directories themselves.
std::vector<std::string> list_files(const std::string& beginning) {
    namespace fs = std::filesystem;
    constexpr std::size_t most = 1000;
    const auto slash = beginning.rfind('/');
    const auto lead = slash == std::string::npos ? std::string() : beginning.substr(0, slash + 1);
    const auto word = beginning.substr(lead.size());
    std::vector<std::string> out;
    std::error_code failed;
    for (fs::directory_iterator at(lead.empty() ? "." : lead, failed), end;
         !failed && at != end && out.size() < most; at.increment(failed)) {
        const auto name = at->path().filename().string();
        if (!name.starts_with(word) || (word.empty() && name.starts_with('.'))) continue;
        std::error_code ignored;
        out.push_back(lead + name + (at->is_directory(ignored) ? "/" : ""));
    }
    std::ranges::sort(out);
    return out;
}

std::string common_beginning(const std::vector<Candidate>& candidates) {
    std::string common = candidates.front().text;
    for (const auto& one : candidates) {
        const auto [mine, theirs] = std::ranges::mismatch(common, one.text);
        common.erase(mine, common.end());
    }
    // Never half a character.
    while (!common.empty() && common.size() < candidates.front().text.size() &&
           (static_cast<unsigned char>(candidates.front().text[common.size()]) & 0xC0U) == 0x80)
        common.pop_back();
    return common;
}

/// "node=string name=string [granularity=integer]", required ones first.
std::string arguments_line(const qapi::Command& command) {
    const auto* object = std::get_if<qapi::Object>(&command.arguments->is);
    std::string required;
    std::string optional;
    if (object == nullptr) return {};
    for (const auto& member : object->members) {
        const auto text = member.name + "=" + in_words(member.type);
        if (member.optional)
            optional += " [" + text + "]";
        else
            required += " " + text;
    }
    if (!object->tag.empty()) optional += " ...";
    return command.name + required + optional;
}

}  // namespace

void Completer::complete(Editor& editor, Vocabulary& vocabulary, int direction) {
    if (!open_ || open_->text != editor.state().text) return begin(editor, vocabulary);
    const auto count = open_->completion.candidates.size();
    if (count == 0) return;
    if (!open_->chosen)
        open_->chosen = direction > 0 ? 0 : count - 1;
    else
        open_->chosen = (*open_->chosen + (direction > 0 ? 1 : count - 1)) % count;
    put(editor, open_->completion.candidates[*open_->chosen].text);
}

void Completer::begin(Editor& editor, Vocabulary& vocabulary) {
    const auto state = editor.state();
    Open open;
    open.completion = qvm::shell::complete(state.text, state.point, vocabulary, list_files);
    open.begin = open.completion.replaced.begin;
    open.text = state.text;
    const auto& candidates = open.completion.candidates;
    open_.reset();
    if (candidates.empty()) {
        // Something was asked for: the popup opens when it comes.
        if (open.completion.incomplete) open_ = std::move(open);
        return;
    }
    const auto typed = state.text.substr(open.begin, open.completion.replaced.end - open.begin);
    if (candidates.size() == 1 && !open.completion.incomplete) {
        auto word = candidates.front().text;
        if (!candidates.front().more) word += ' ';
        editor.replace(open.begin, open.completion.replaced.end, word);
        return;
    }
    const auto common = common_beginning(candidates);
    open_ = std::move(open);
    // Where they were found by what is within them, nothing of that is taken away.
    if (common.size() > typed.size() && common.find(typed) != std::string::npos) put(editor, common);
}

void Completer::put(Editor& editor, const std::string& word) {
    editor.replace(open_->begin, open_->completion.replaced.end, word);
    open_->completion.replaced.end = open_->begin + word.size();
    open_->text = editor.state().text;
}

void Completer::learned(Editor& editor, Vocabulary& vocabulary) {
    if (!open_ || !open_->completion.incomplete || open_->chosen) return;
    if (open_->text != editor.state().text) return close();
    begin(editor, vocabulary);
}

void Completer::close() {
    open_.reset();
}

Popup Completer::popup() const {
    Popup popup;
    if (!open_) return popup;
    for (const auto& one : open_->completion.candidates) popup.rows.push_back({one.text, one.note});
    if (open_->completion.incomplete) popup.rows.push_back({"...", "asking the server"});
    popup.chosen = open_->chosen.value_or(popup.rows.size());
    return popup;
}

Line synopsis(std::string_view command, Vocabulary& vocabulary) {
    Line line;
    const auto* schema = vocabulary.schema();
    const auto* known = schema == nullptr ? nullptr : schema->command(command);
    if (known != nullptr) line.push_back({arguments_line(*known), Role::Key});
    const auto summary = vocabulary.summary(command);
    if (!summary.empty()) line.push_back({(line.empty() ? "" : "  ") + escape_controls(summary), Role::Dim});
    return line;
}

}  // namespace qvm::shell
