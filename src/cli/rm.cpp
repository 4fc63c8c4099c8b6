// SPDX-License-Identifier: GPL-3.0-or-later
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm;
    bool yes = false;
    bool keep_disks = false;
};

bool agreed() {
    fmt::print("Delete them? [y/N] ");
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

ExitCode rm(const Arguments& arguments) {
    launch::VmState vm = find_vm(arguments.vm);
    const Fd lock = vm.lock_operation(std::chrono::seconds(10));
    if (vm.condition() != launch::Condition::Stopped)
        throw Error(ExitCode::Usage, fmt::format("{} is running", vm.name()),
                    fmt::format("`qvm stop {0}` or `qvm kill {0}` ends it", vm.name()));
    fmt::print("{}: state in {}\n", vm.name(), vm.directory().string());
    const auto disks = vm.disks();
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(vm.directory()))
        if (!entry.is_directory() && !(arguments.keep_disks && entry.path().parent_path() == disks))
            files.insert(entry.path().lexically_relative(vm.directory()));
    for (const auto& file : files) fmt::print("  {}\n", escape_controls(file));
    if (!arguments.yes) {
        if (::isatty(STDIN_FILENO) != 1)
            throw Error(ExitCode::Usage, "nothing was deleted: nobody can be asked without a terminal",
                        "`--yes` deletes without asking");
        if (!agreed()) {
            fmt::print("nothing was deleted\n");
            return ExitCode::Usage;
        }
    }
    remove_cgroup(vm);
    std::error_code ignored;
    const bool kept = arguments.keep_disks && std::filesystem::exists(disks, ignored);
    vm.remove(arguments.keep_disks);
    fmt::print("{}: removed{}\n", vm.name(), kept ? fmt::format(", but for {}", disks.string()) : "");
    return ExitCode::Ok;
}

}  // namespace

void add_rm(CLI::App& app, Action& action) {
    auto* verb =
        app.add_subcommand("rm", "Delete what qvm keeps of a stopped VM (not the disks that its file names)");
    auto arguments = std::make_shared<Arguments>();
    add_name(*verb, arguments->vm);
    verb->add_flag("--yes", arguments->yes, "do not ask");
    verb->add_flag("--keep-disks", arguments->keep_disks, "leave the images that qvm made for it");
    verb->callback([arguments, &action] { action = [arguments] { return rm(*arguments); }; });
}

}  // namespace qvm::cli
