// SPDX-License-Identifier: GPL-3.0-or-later
#include <filesystem>
#include <map>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/reference.hpp"
#include "cli/user_file.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
    std::string name, out = "vm.toml";
    bool force = false;
};

/// The comment that a template begins with, a line each.
std::string comment_of(const std::string& text) {
    std::size_t end = 0;
    while (end < text.size() && text[end] == '#') end = std::min(text.find('\n', end), text.size() - 1) + 1;
    return text.substr(0, end);
}

/// Its first sentence, for a list.
std::string meaning_of(const std::string& text) {
    std::string meaning;
    for (const char c : comment_of(text)) {
        const char last = meaning.empty() ? ' ' : meaning.back();
        if (c == '#' || (c == ' ' && last == ' ')) continue;
        meaning += c == '\n' ? ' ' : c;
        if (last == '.' && (c == ' ' || c == '\n')) break;
    }
    while (meaning.ends_with(' ')) meaning.pop_back();
    return meaning.empty() ? "no comment at its beginning tells what it is" : meaning;
}

/// By their names; of several of one name the one that `extends` finds.
std::map<std::string, fs::path> templates() {
    std::map<std::string, fs::path> found;
    for (const auto& directory : library().templates) {
        std::error_code error;
        for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
             entry.increment(error))
            if (entry->path().extension() == ".toml") found.try_emplace(entry->path().stem(), entry->path());
    }
    return found;
}

ExitCode list(const std::map<std::string, fs::path>& known) {
    std::size_t width = 0;
    for (const auto& [name, path] : known) width = std::max(width, name.size());
    for (const auto& [name, path] : known)
        fmt::print("{:<{}}  {}\n", escape_controls(name), width,
                   escape_controls(meaning_of(read_file(path).bytes)));
    return ExitCode::Ok;
}

/// A file that begins as the template does: its starter, or one of its name alone.
std::string beginning(const std::string& name, const fs::path& file) {
    const auto starter = read_file(file.parent_path() / "starters" / file.filename());
    if (starter) return starter.bytes;
    const auto content = read_file(file);
    if (!content) throw SystemError(fmt::format("read '{}'", file.string()), content.error);
    return comment_of(content.bytes) + fmt::format("extends = \"{}\"\n", name);
}

ExitCode make(const Arguments& arguments) {
    const auto known = templates();
    if (arguments.name.empty()) return list(known);
    const auto found = known.find(arguments.name);
    if (found == known.end()) {
        std::vector<std::string> names;
        for (const auto& [name, path] : known) names.push_back(name);
        auto advice = did_you_mean(arguments.name, names);
        throw Error(ExitCode::Usage,
                    fmt::format("there is no template '{}'", escape_controls(arguments.name)),
                    advice.empty() ? "`qvm new` lists the templates" : advice);
    }
    const auto text = beginning(found->first, found->second);
    if (arguments.out == "-") {
        fmt::print("{}", text);
        return ExitCode::Ok;
    }
    write_file(arguments.out, text, arguments.force);
    const auto word = arguments.out == "vm.toml" ? "" : ' ' + as_file_reference(arguments.out);
    fmt::print(
        "{}: made from the template {}\n"
        "  edit it, then `qvm check{}` tells what is wrong or missing, and `qvm up{}` starts the VM\n",
        arguments.out, found->first, word, word);
    return ExitCode::Ok;
}

}  // namespace

void add_new(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("new", "Write a VM's file from a template, or list the templates");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("template", arguments->name, "one of those that `qvm new` lists")->type_name("TEMPLATE");
    verb->add_option("-o,--out", arguments->out, "the file; - is standard output")
        ->type_name("FILE")
        ->capture_default_str();
    verb->add_flag("--force", arguments->force, "replace a file that is there");
    verb->callback([arguments, &action] { action = [arguments] { return make(*arguments); }; });
}

}  // namespace qvm::cli
