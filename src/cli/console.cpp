// SPDX-License-Identifier: GPL-3.0-or-later
#include <chrono>
#include <cstdio>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/attach.hpp"
#include "cli/console_session.hpp"
#include "cli/console_verb.hpp"
#include "cli/describe.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm;
    std::string escape = "^]";
};

/// A VM that is started again after its guest's reboot has its console again a moment later.
bool lives_again(const launch::VmState& vm, unsigned& restarts) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (vm.condition() == launch::Condition::Starting && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto applied = vm.applied();
    if (!applied || applied->phase != launch::Applied::Phase::Running || applied->restarts == restarts ||
        vm.condition() != launch::Condition::Running)
        return false;
    restarts = applied->restarts;
    return true;
}

ExitCode console(const Arguments& arguments) {
    return attend_console(find_supervised_vm(arguments.vm), arguments.escape);
}

}  // namespace

ExitCode attend_console(const launch::VmState& vm, const std::string& escape_text) {
    const char escape = parse_escape(escape_text);
    const Summary before = summarize(vm);
    if (before.condition == launch::Condition::Stopped) throw not_running(vm);
    if (before.condition == launch::Condition::Orphaned)
        throw Error(ExitCode::NoSuchVm,
                    fmt::format("the console of {} is not served: its supervisor has died", vm.name()),
                    before.detail);
    if (before.applied && before.applied->console.empty())
        throw Error(ExitCode::Usage, fmt::format("{} has no console", vm.name()),
                    "its file says console = \"none\"; \"serial\" and \"virtio\" make one");
    const bool terminal = ::isatty(STDIN_FILENO) == 1;
    if (terminal)
        std::fprintf(stderr, "qvm: console of %s; %s then . leaves\n", vm.name().c_str(),
                     escape_name(escape).c_str());
    unsigned restarts = before.applied ? before.applied->restarts : 0;
    auto end = run_console(vm, escape);
    while (end == ConsoleEnd::Closed && lives_again(vm, restarts)) {
        if (terminal) std::fprintf(stderr, "\nqvm: %s was started again\n", vm.name().c_str());
        end = run_console(vm, escape);
    }
    if (end == ConsoleEnd::Left) {
        if (terminal) std::fprintf(stderr, "\nqvm: left the console; %s runs on\n", vm.name().c_str());
        return ExitCode::Ok;
    }
    // The socket closes a moment before the state tells why.
    wait_until_stopped(vm, std::chrono::seconds(5));
    const Summary after = summarize(vm);
    std::fprintf(stderr, "%sqvm: the console of %s ended: %s%s%s\n", terminal ? "\n" : "", vm.name().c_str(),
                 after.state.c_str(), after.detail.empty() ? "" : ", ", after.detail.c_str());
    return after.state == "died" ? ExitCode::VmDied : ExitCode::Ok;
}

void add_console(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("console", "Talk to a VM's console; Ctrl-] then . leaves");
    auto arguments = std::make_shared<Arguments>();
    add_name(*verb, arguments->vm);
    verb->add_option("--escape", arguments->escape, "the control character that leaves; default ^]")
        ->type_name("CHAR");
    verb->callback([arguments, &action] { action = [arguments] { return console(*arguments); }; });
}

}  // namespace qvm::cli
