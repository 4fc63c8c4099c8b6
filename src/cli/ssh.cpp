// SPDX-License-Identifier: GPL-3.0-or-later
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/shell_word.hpp"
#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/find_program.hpp"
#include "launch/ssh_way.hpp"
#include "qmp/transport.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm, user;
    std::vector<std::string> command;
    bool pass_fd = false;
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
                "say forward = [\"2222 -> 22\"] in a [net.X] with type = \"user\", and `qvm apply` it\n"
                "or vsock = true, for a guest with systemd 256 or newer");
}

/// For ssh's ProxyUseFdpass: one byte, and a connection with it, over the socket that is our output.
ExitCode pass_connection(const launch::VmState& vm) {
    constexpr std::chrono::seconds timeout{30};
    const Fd connection = launch::connect(way_to(vm), timeout);
    try {
        qmp::send_some(STDOUT_FILENO, std::string_view("\0", 1), connection.get());
    } catch (const SystemError& error) {
        if (error.error().value() != ENOTSOCK) throw;
        throw Error(ExitCode::Usage, "--pass-fd is for ssh, which has a socket for the connection",
                    "in ssh_config(5): ProxyCommand qvm ssh --pass-fd %h, and ProxyUseFdpass yes");
    }
    return ExitCode::Ok;
}

/// A word of a command that ssh gives to a shell, once it has put in what its own %h and the like stand for.
std::string for_proxy_command(std::string word) {
    for (auto at = word.find('%'); at != std::string::npos; at = word.find('%', at + 2))
        word.insert(at, 1, '%');
    return quote_shell(word);
}

/// Where ssh is to connect to: by itself, or through us.
std::vector<std::string> options_for(const launch::SshWay& way, const std::string& vm) {
    if (!way.by_vsock()) return {"-p", std::to_string(way.port)};
    const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
    return {"-o",
            fmt::format("ProxyCommand={} ssh --pass-fd {}", for_proxy_command(self), for_proxy_command(vm)),
            "-o", "ProxyUseFdpass=yes"};
}

/// Does not return unless it fails.
ExitCode ssh(const Arguments& arguments) {
    const launch::VmState vm = find_vm(arguments.vm);
    if (arguments.pass_fd) return pass_connection(vm);
    const auto way = way_to(vm);
    const auto program = launch::find_program("ssh", "openssh-client");
    const auto user = arguments.user.empty() ? way.user : arguments.user;
    // What the guest's key is, is the VM's own affair: another guest at the same port is no attack.
    std::vector<std::string> words = options_for(way, vm.name());
    words.insert(words.begin(), "ssh");
    const std::string options[] = {
        "-o", fmt::format("HostKeyAlias={}", vm.name()),
        "-o", fmt::format("UserKnownHostsFile=\"{}\"", (vm.directory() / "known_hosts").string()),
        "-o", "StrictHostKeyChecking=accept-new"};
    words.insert(words.end(), std::begin(options), std::end(options));
    if (!user.empty()) words.insert(words.end(), {"-l", user});
    words.insert(words.end(), {"--", way.by_vsock() ? vm.name() : way.address});
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
    verb->add_flag("--pass-fd", arguments->pass_fd,
                   "pass a connection to its SSH server on, for ProxyCommand of ssh_config(5)");
    verb->footer("NAME, and then the command to run in place of a shell, with its own options.");
    verb->prefix_command();
    verb->callback([arguments, verb, &action] {
        take_words(verb->remaining(), *arguments);
        action = [arguments] { return ssh_or_125(*arguments); };
    });
}

}  // namespace qvm::cli
