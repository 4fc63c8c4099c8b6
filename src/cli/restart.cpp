// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>

#include "cli/start_stop.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/state.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    UpArguments up;
    std::string timeout;
};

ExitCode restart(const Arguments& arguments) {
    // A file with mistakes, or one that the name does not belong to, must not cost the VM that runs.
    Front front = Front::load(arguments.up.vm);
    front.check();
    front.check_host();
    if (front.report(false)) return ExitCode::Invalid;
    launch::VmState vm(launch::Directories::from_environment(), front.vm.name.value);
    const auto notice = vm.claim(front.document.files.front());
    if (!notice.empty()) print_warning(notice);
    stop({vm.name(), arguments.timeout});
    return up(arguments.up);
}

}  // namespace

void add_restart(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("restart", "Stop a VM and start it as its file says now");
    auto arguments = std::make_shared<Arguments>();
    arguments->up.vm.add_to(*verb);
    verb->add_flag("--console", arguments->up.console, "talk to its console then; Ctrl-] then . leaves");
    verb->add_option("--timeout", arguments->timeout,
                     "how long the guest may take to power off; default: the file's lifecycle.stop-timeout")
        ->type_name("DURATION");
    verb->callback([arguments, &action] { action = [arguments] { return restart(*arguments); }; });
}

}  // namespace qvm::cli
