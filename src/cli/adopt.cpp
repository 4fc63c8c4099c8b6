// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/adopt.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

ExitCode adopt(const std::string& word) {
    launch::VmState vm = find_vm(word);
    switch (vm.condition()) {
        case launch::Condition::Stopped:
            throw not_running(vm);
        case launch::Condition::Starting:
        case launch::Condition::Running:
            fmt::print("{}: has its supervisor\n", vm.name());
            return ExitCode::Ok;
        case launch::Condition::Orphaned:
            break;
    }
    if (!launch::can_be_adopted(vm))
        throw Error(
            ExitCode::NoSuchVm, fmt::format("{}: its start was interrupted", vm.name()),
            fmt::format("`qvm kill {0}` ends what there is of it; `qvm up {0}` starts it anew", vm.name()));
    adopt_orphan(vm);
    fmt::print("{}: running\n", vm.name());
    return ExitCode::Ok;
}

}  // namespace

void add_adopt(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("adopt", "Give a VM whose supervisor has died a new one");
    auto word = std::make_shared<std::string>();
    add_name(*verb, *word);
    verb->callback([word, &action] { action = [word] { return adopt(*word); }; });
}

}  // namespace qvm::cli
