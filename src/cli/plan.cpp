// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/front.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    FileArguments vm;
    bool json = false;
    bool no_host = false;
};

/// Without looking at this host the first choice is as good as any.
std::string accelerator(const config::Vm& vm, bool no_host) {
    if (no_host) return vm.machine.accel.value.front();
    std::string notice;
    auto accel = launch::choose_accelerator(vm.machine.accel.value, notice);
    if (!notice.empty()) print_warning(notice);
    return accel;
}

ExitCode plan(const Arguments& arguments) {
    Front front = Front::load(arguments.vm);
    front.check();
    if (!arguments.no_host) front.check_host();
    if (front.report(false)) return ExitCode::Invalid;
    const auto made = front.compile(accelerator(front.vm, arguments.no_host));
    if (arguments.json)
        fmt::print("{}\n", made.to_json().dump(2, ' ', false, Json::error_handler_t::replace));
    else
        fmt::print("{}", made.to_text());
    return ExitCode::Ok;
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("plan", "Show what `up` would do, without doing it");
    auto arguments = std::make_shared<Arguments>();
    arguments->vm.add_to(*verb);
    verb->add_flag("--json", arguments->json, "the whole plan as JSON");
    verb->add_flag("--no-host", arguments->no_host,
                   "leave out what only this host can tell (files, accelerators)");
    verb->callback([arguments, &action] { action = [arguments] { return plan(*arguments); }; });
}

}  // namespace qvm::cli
