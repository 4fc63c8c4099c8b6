// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/import.hpp"

#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/file.hpp"
#include "cli/terminal.hpp"
#include "cli/user_file.hpp"
#include "cli/verbs.hpp"
#include "config/import_libvirt.hpp"
#include "config/shell_words.hpp"

namespace qvm::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
    std::string argv, argv_file, libvirt, out;
    std::vector<std::string> words;
    bool force = false;
};

config::ShellCommand read_command(std::string_view script, const std::string& where) {
    auto command = config::qemu_command(script);
    if (command.words.empty())
        throw Error(ExitCode::Invalid, fmt::format("{} has no command that starts QEMU", where),
                    "one begins with qemu-system-ARCH, qemu-kvm or kvm, and has options");
    return command;
}

std::string shown(const std::string& file) {
    return file == "-" ? "standard input" : fmt::format("'{}'", file);
}

std::string text_of(const std::string& file) {
    if (file == "-") return read_standard_input();
    auto content = read_file(expand_home(file));
    if (!content) throw SystemError(fmt::format("read '{}'", file), content.error, {}, ExitCode::Invalid);
    return std::move(content.bytes);
}

config::ShellCommand command_of(const Arguments& arguments) {
    if (!arguments.words.empty()) return {arguments.words, {}};
    if (!arguments.argv_file.empty())
        return read_command(text_of(arguments.argv_file), shown(arguments.argv_file));
    // Options without QEMU's name are as good.
    const bool options_only = arguments.argv.starts_with('-');
    return read_command((options_only ? "qemu-system-x86_64 " : "") + arguments.argv, "the word of --argv");
}

void write(const Arguments& arguments, const std::string& toml) {
    if (arguments.out.empty()) {
        fmt::print("{}", toml);
        return;
    }
    write_file(arguments.out, toml, arguments.force);
    const fs::path directory = fs::absolute(arguments.out).parent_path();
    std::error_code ignored;
    if (!fs::equivalent(directory, fs::current_path(), ignored))
        print_warning(fmt::format("relative paths in '{}' are relative to '{}' now", arguments.out,
                                  directory.string()));
}

ExitCode import_domain(const Arguments& arguments) {
    const auto xml = text_of(arguments.libvirt);
    try {
        const auto import = config::import_libvirt(xml);
        write(arguments, import.toml);
        for (const auto& warning : import.warnings) print_warning(warning);
    } catch (const Error& error) {
        if (error.exit_code() != ExitCode::Invalid) throw;
        throw Error(error.exit_code(), fmt::format("{}: {}", shown(arguments.libvirt), error.what()),
                    error.advice());
    }
    return ExitCode::Ok;
}

ExitCode import(const Arguments& arguments) {
    const int ways = (arguments.argv.empty() ? 0 : 1) + (arguments.argv_file.empty() ? 0 : 1) +
                     (arguments.libvirt.empty() ? 0 : 1) + (arguments.words.empty() ? 0 : 1);
    if (ways != 1)
        throw Error(ExitCode::Usage, "import wants one command line, or one domain of libvirt",
                    "say --argv 'qemu-system-x86_64 ..', --argv-file SCRIPT, --libvirt FILE.xml, or -- "
                    "qemu-system-x86_64 ..");
    if (!arguments.libvirt.empty()) return import_domain(arguments);
    auto command = command_of(arguments);
    const auto import = config::import_command(command.words);
    write(arguments, import.toml);
    for (const auto& warning : command.warnings) print_warning(warning);
    for (const auto& warning : import.warnings) print_warning(warning);
    return ExitCode::Ok;
}

}  // namespace

void add_import(CLI::App& app, Action& action) {
    auto* verb =
        app.add_subcommand("import", "Write a VM's file from a command line of QEMU, or from libvirt's XML");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("--argv", arguments->argv, "the command line, as one word")->type_name("COMMAND");
    verb->add_option("--argv-file", arguments->argv_file, "a shell script that has it; - is standard input")
        ->type_name("FILE");
    verb->add_option("--libvirt", arguments->libvirt,
                     "what `virsh dumpxml` prints of a domain; - is standard input")
        ->type_name("FILE");
    verb->add_option("command", arguments->words, "the command line, after --")->type_name("WORD");
    verb->add_option("-o,--out", arguments->out, "write to a new file instead of standard output")
        ->type_name("FILE");
    verb->add_flag("--force", arguments->force, "with --out: replace a file that is there");
    verb->callback([arguments, &action] { action = [arguments] { return import(*arguments); }; });
}

}  // namespace qvm::cli
