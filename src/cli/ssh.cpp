// SPDX-License-Identifier: GPL-3.0-or-later
#include <cerrno>
#include <string>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/find_program.hpp"
#include "launch/ssh_way.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm, user;
    std::vector<std::string> command;
};

/// NAME [--] [CMD..]: the command's options are its own.
void take_words(std::vector<std::string> words, Arguments& arguments) {
    if (words.empty()) throw CLI::RequiredError("NAME");
    if (words.front().starts_with('-')) throw CLI::ExtrasError({words.front()});
    arguments.vm = words.front();
    words.erase(words.begin());
    if (!words.empty() && words.front() == "--") words.erase(words.begin());
    arguments.command = std::move(words);
}

launch::SshWay way_to(const launch::VmState& vm) {
    const auto applied = vm.applied();
    if (!applied || vm.condition() == launch::Condition::Stopped) throw not_running(vm);
    if (auto way = launch::ssh_way(launch::lower_compiled(applied->compiled))) return *way;
    throw Error(ExitCode::Usage,
                fmt::format("no port of this host leads to port 22 of {}'s guest", vm.name()),
                "say forward = [\"2222 -> 22\"] in a [net.X] with type = \"user\", and `qvm apply` it");
}

/// Does not return unless it fails.
ExitCode ssh(const Arguments& arguments) {
    const launch::VmState vm = find_vm(arguments.vm);
    const auto way = way_to(vm);
    const auto program = launch::find_program("ssh", "openssh-client");
    const auto user = arguments.user.empty() ? way.user : arguments.user;
    // What the guest's key is, is the VM's own affair: another guest at the same port is no attack.
    std::vector<std::string> words{
        "ssh",
        "-p",
        std::to_string(way.port),
        "-o",
        fmt::format("HostKeyAlias={}", vm.name()),
        "-o",
        fmt::format("UserKnownHostsFile=\"{}\"", (vm.directory() / "known_hosts").string()),
        "-o",
        "StrictHostKeyChecking=accept-new"};
    if (!user.empty()) words.insert(words.end(), {"-l", user});
    words.insert(words.end(), {"--", way.address});
    words.insert(words.end(), arguments.command.begin(), arguments.command.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::fflush(nullptr);
    ::execv(program.c_str(), argv.data());
    throw SystemError(fmt::format("execute '{}'", program.string()), errno);
}

/// The exit status is that of ssh, and so the command's.
ExitCode ssh_or_125(const Arguments& arguments) {
    try {
        return ssh(arguments);
    } catch (const Error& error) {
        print_error(error);
        return command_failed;
    }
}

}  // namespace

void add_ssh(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("ssh", "Log in to a VM's guest, or run a command there");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("-l,--login", arguments->user, "the user; default: whom its [cloud-init] names")
        ->type_name("USER");
    verb->footer("NAME, and then the command to run in place of a shell, with its own options.");
    verb->prefix_command();
    verb->callback([arguments, verb, &action] {
        take_words(verb->remaining(), *arguments);
        action = [arguments] { return ssh_or_125(*arguments); };
    });
}

}  // namespace qvm::cli
