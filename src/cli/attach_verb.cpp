// SPDX-License-Identifier: GPL-3.0-or-later
// `qvm attach`: the shell, on VMs of ours or on any QMP socket.
#include <cstdlib>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/environment.hpp"
#include "cli/attach.hpp"
#include "cli/describe.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/plan.hpp"
#include "shell/app.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::vector<std::string> vms;
    std::vector<std::string> sockets;
    std::vector<std::string> logs;
    bool agent = false;
    bool plain = false;
    bool mouse = false;
    std::string ui;
};

/// $NAME/qvm, else ~/FALLBACK/qvm; empty when there is neither.
std::string directory(const char* variable, const char* below_home) {
    const auto own = user_directory(variable, below_home);
    return own.empty() ? std::string() : (own / "qvm").string();
}

/// The socket of a VM's QMP, or of its guest's agent.
std::filesystem::path socket_of(const launch::VmState& vm, launch::Condition condition, bool agent) {
    if (!agent)
        return vm.socket(condition == launch::Condition::Orphaned ? launch::monitor_socket : "qmp.sock");
    auto socket = vm.socket(config::agent_socket);
    std::error_code ignored;
    if (!std::filesystem::is_socket(socket, ignored))
        throw Error(ExitCode::Usage, vm.name() + " has no port for a guest agent",
                    "say agent = true in its file, and `qvm apply`");
    return socket;
}

shell::Target target_of_vm(const std::string& word, bool agent) {
    const launch::VmState vm = find_supervised_vm(word);
    const auto condition = vm.condition();
    if (condition == launch::Condition::Stopped) throw not_running(vm);
    shell::Target target;
    target.label = vm.name();
    target.agent = agent;
    target.path = socket_of(vm, condition, agent).string();
    target.why_gone = [name = vm.name()] {
        const launch::VmState now = find_vm(name);
        return now.condition() == launch::Condition::Stopped ? summarize(now).detail : std::string();
    };
    return target;
}

shell::Target find_target(const std::string& word) {
    // A name of ours, and only then a socket: neither has a character that the other cannot have.
    std::error_code ignored;
    if (std::filesystem::is_socket(word, ignored) || word.find(':') != std::string::npos)
        return shell::target_of(word, false);
    return target_of_vm(word, false);
}

shell::UiKind kind_of(const Arguments& arguments) {
    if (arguments.ui == "json") return shell::UiKind::Json;
    if (arguments.plain || arguments.ui == "plain") return shell::UiKind::Plain;
    if (arguments.ui == "screen") return shell::UiKind::Screen;
    const char* term = std::getenv("TERM");
    const bool dumb = term == nullptr || *term == '\0' || std::string_view(term) == "dumb";
    const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
    return terminal && !dumb ? shell::UiKind::Screen : shell::UiKind::Plain;
}

ExitCode attach(const Arguments& arguments) {
    shell::AppOptions options;
    for (const auto& word : arguments.sockets)
        options.shell.targets.push_back(shell::target_of(word, arguments.agent));
    for (const auto& file : arguments.logs) options.shell.targets.push_back(shell::target_of_log(file));
    auto vms = arguments.vms;
    if (vms.empty() && options.shell.targets.empty()) vms.emplace_back();  // ./vm.toml
    for (const auto& word : vms) options.shell.targets.push_back(target_of_vm(word, arguments.agent));
    options.ui = kind_of(arguments);
    options.colour = wants_color(STDOUT_FILENO);
    options.mouse = arguments.mouse;
    const auto state = directory("XDG_STATE_HOME", ".local/state");
    const auto config = directory("XDG_CONFIG_HOME", ".config");
    std::error_code ignored;
    if (!state.empty()) {
        std::filesystem::create_directories(state + "/shell", ignored);
        options.shell.history_file = state + "/shell/history";
        options.shell.state_directory = state + "/shell";
    }
    if (!config.empty()) {
        options.shell.config_file = config + "/shell.conf";
        options.shell.macro_directory = config + "/macros";
    }
    options.shell.find_target = find_target;
    shell::run(std::move(options));
    return ExitCode::Ok;
}

}  // namespace

void add_attach(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("attach", "An asynchronous QMP shell on running VMs");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("name", arguments->vms, "the VMs' names, or their files; none: ./vm.toml")
        ->type_name("NAME");
    verb->add_option("--socket", arguments->sockets,
                     "a QMP socket of a QEMU or storage daemon that qvm did not start: PATH or HOST:PORT")
        ->type_name("SOCKET")
        ->allow_extra_args(false);
    verb->add_option("--load", arguments->logs,
                     "look at a log of the shell's, or of libvirt's; no VM is needed")
        ->type_name("FILE")
        ->allow_extra_args(false);
    verb->add_flag("--agent", arguments->agent, "talk to the guest's agent: NAME's, or one at SOCKET");
    verb->add_flag("--plain", arguments->plain, "lines, no screen; without a terminal it is so anyway");
    verb->add_flag("--mouse", arguments->mouse, "wheel and clicks are the shell's");
    verb->add_option("--ui", arguments->ui, "screen, plain, or json: frames and keys as lines, for programs")
        ->type_name("KIND")
        ->check(CLI::IsMember({"screen", "plain", "json"}));
    verb->callback([arguments, &action] { action = [arguments] { return attach(*arguments); }; });
}

}  // namespace qvm::cli
