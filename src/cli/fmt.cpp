// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/user_file.hpp"
#include "cli/verbs.hpp"
#include "config/document.hpp"
#include "config/format.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::vector<std::string> words;
    bool check = false;
};

/// The files that the words mean; a name may mean several.
std::vector<std::string> files_of(const std::vector<std::string>& words) {
    if (words.empty()) return {"vm.toml"};
    std::vector<std::string> files;
    for (const auto& word : words) {
        if (word == "-" || is_file_reference(word)) {
            files.push_back(word);
            continue;
        }
        const auto named = files_of_name(word).files;
        files.insert(files.end(), named.begin(), named.end());
    }
    return files;
}

struct Text {
    std::string file;  ///< "-": standard input
    std::string text;
};

/// All of them before any is changed. Throws UnreadableFile.
std::vector<Text> read(const std::vector<std::string>& files) {
    std::vector<Text> texts;
    for (const auto& file : files)
        texts.push_back(
            {file, file == "-" ? read_standard_input() : config::read_files({file}).front().text});
    return texts;
}

/// Formats one file, and says so; with --check it only says what would be done.
ExitCode format(const Text& source, bool check, Diagnostics& diagnostics) {
    const auto& [file, text] = source;
    const bool is_stream = file == "-";
    const std::string name = is_stream ? "<stdin>" : file;
    const auto formatted = config::format_toml(name, text, diagnostics);
    if (!formatted) return ExitCode::Invalid;
    if (check) {
        if (*formatted == text) return ExitCode::Ok;
        fmt::print("{}\n", name);
        return ExitCode::Changes;
    }
    if (is_stream) {
        fmt::print("{}", *formatted);
    } else if (*formatted != text) {
        replace_file(file, *formatted);
        fmt::print("{}: formatted\n", file);
    }
    return ExitCode::Ok;
}

/// Each file, whatever becomes of the others; a file that is no TOML outweighs one that would change.
ExitCode format_all(const Arguments& arguments) {
    Diagnostics diagnostics;
    auto result = ExitCode::Ok;
    for (const auto& text : read(files_of(arguments.words))) {
        const auto one = format(text, arguments.check, diagnostics);
        if (one == ExitCode::Invalid || result == ExitCode::Ok) result = one;
    }
    std::fputs(diagnostics.to_text(wants_color(STDERR_FILENO)).c_str(), stderr);
    return result;
}

}  // namespace

void add_fmt(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("fmt", "Give files one layout; what they say stays");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("files", arguments->words,
                     "files, or names of VMs; - is standard input, to standard output; default ./vm.toml")
        ->type_name("FILE|NAME");
    verb->add_flag("--check", arguments->check, "change nothing: name the files that would, with status 3");
    verb->callback([arguments, &action] { action = [arguments] { return format_all(*arguments); }; });
}

}  // namespace qvm::cli
