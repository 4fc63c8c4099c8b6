// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/terminal.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::cli {

bool wants_color(int fd) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    if (no_color != nullptr && *no_color != '\0') return false;
    if (term == nullptr || std::strcmp(term, "dumb") == 0) return false;
    return ::isatty(fd) == 1;
}

std::string describe(const Error& error) {
    std::string text = fmt::format("qvm: {}\n", escape_controls(error.what()));
    std::string_view advice = error.advice();
    while (!advice.empty()) {
        const auto end = std::min(advice.find('\n'), advice.size());
        text += fmt::format("      = {}\n", escape_controls(advice.substr(0, end)));
        advice.remove_prefix(std::min(advice.size(), end + 1));
    }
    return text;
}

void print_error(const Error& error) {
    std::fputs(describe(error).c_str(), stderr);
}

void print_warning(const std::string& text) {
    std::fprintf(stderr, "qvm: warning: %s\n", escape_controls(text).c_str());
}

namespace {

std::vector<std::string> options_of(const CLI::App& verb) {
    std::vector<std::string> names;
    for (const auto* option : verb.get_options())
        for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

}  // namespace

void print_usage_error(const CLI::App& app, const CLI::ParseError& error) {
    // The verb's own usage when a verb was given.
    const CLI::App* where = &app;
    std::string path = "qvm";
    while (!where->get_subcommands().empty()) {
        where = where->get_subcommands().back();
        path += ' ' + where->get_name();
    }
    std::string text = error.what();
    // Only the first line: the parser lists what it could not place in a second one.
    text = text.substr(0, text.find('\n'));
    std::string hint;
    auto unplaced = app.remaining(true);
    std::erase(unplaced, "--");
    if (where == &app && !unplaced.empty() && !unplaced.front().starts_with('-')) {
        std::vector<std::string> verbs;
        for (const auto* sub : app.get_subcommands({})) verbs.push_back(sub->get_name());
        text = fmt::format("there is no verb '{}'", unplaced.front());
        hint = did_you_mean(unplaced.front(), verbs);
    } else if (!unplaced.empty() && dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        const auto& word = unplaced.front();
        const bool option = word.starts_with('-');
        text = fmt::format("there is no {} '{}'", option ? "option" : "place for", word);
        if (option) hint = did_you_mean(word.substr(0, word.find('=')), options_of(*where));
    }
    std::fprintf(stderr, "qvm: %s\n", escape_controls(text).c_str());
    if (!hint.empty()) std::fprintf(stderr, "      = %s\n", hint.c_str());
    std::fprintf(stderr, "      = `%s --help` tells how it is used\n", path.c_str());
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            if (i + 1 < row.size()) line.append(widths[i] - display_width(row[i]) + 2, ' ');
        }
        text += line + '\n';
    }
    return text;
}

std::string ago(std::chrono::system_clock::time_point then) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - then).count();
    if (seconds < 120) return fmt::format("{} s", std::max<std::int64_t>(0, seconds));
    if (seconds < 7'200) return fmt::format("{} min", seconds / 60);
    if (seconds < 172'800) return fmt::format("{} h", seconds / 3'600);
    return fmt::format("{} d", seconds / 86'400);
}

std::string step_text(const std::string& vm, std::size_t index, std::size_t count, const std::string& title) {
    return fmt::format("{}: [{}/{}] {}", vm, index, count, title);
}

namespace {

/// Of the terminal that standard error is, at least 20 columns; 80 where it does not say.
std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return std::max<std::size_t>(20, size.ws_col);
}

}  // namespace

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
    clear();
}

void ProgressLine::show(const std::string& text) {
    if (!terminal_ || std::chrono::steady_clock::now() - begun_ < std::chrono::milliseconds(500)) return;
    if (text == shown_) return;
    shown_ = text;
    // One column stays free: some terminals wrap when the last one is written.
    const auto safe = escape_controls(text);
    const std::string line(cut_to_width(safe, terminal_width() - 1));
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
}

void ProgressLine::clear() {
    if (!shown_.empty()) std::fputs("\r\033[K", stderr);
    shown_.clear();
}

}  // namespace qvm::cli
