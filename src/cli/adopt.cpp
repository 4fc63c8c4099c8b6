// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/adopt.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"
#include "launch/control.hpp"

namespace qvm::cli {
namespace {

constexpr std::chrono::seconds patience{20};

/// The supervisor that is there goes, as after an upgrade of qvm.
void send_away(const launch::VmState& vm) {
    const auto applied = vm.applied();
    const PidFd supervisor = applied ? applied->supervisor.open() : PidFd();
    const PidFd spawner = applied && applied->spawner ? applied->spawner->open() : PidFd();
    try {
        Attached(vm).execute(launch::control::leave, Json::object(), patience);
    } catch (const qmp::ExecuteError& error) {
        throw Error(ExitCode::RolledBack,
                    fmt::format("{}: its supervisor stays: {}", vm.name(), error.description()));
    }
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
    const auto gone = [&](const PidFd& process) {
        return !process || process.wait_ended(static_cast<int>(limit));
    };
    // The spawner ends last, and may hold the lock of its child until then.
    if (!gone(supervisor) || !gone(spawner))
        throw Error(ExitCode::TimedOut, fmt::format("{}: its supervisor does not go", vm.name()),
                    fmt::format("`qvm status {}` tells what there is", vm.name()));
}

ExitCode not_to_be_adopted(const launch::VmState& vm) {
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
    throw Error(
        ExitCode::NoSuchVm, fmt::format("{}: its start was interrupted", vm.name()),
        fmt::format("`qvm kill {0}` ends what there is of it; `qvm up {0}` starts it anew", vm.name()));
}

ExitCode adopt(const std::string& word, bool replace) {
    launch::VmState vm = find_vm(word);
    if (replace && vm.condition() == launch::Condition::Running) send_away(vm);
    if (!launch::can_be_adopted(vm)) return not_to_be_adopted(vm);
    adopt_orphan(vm, replace ? "" : "its supervisor had died; it has a new one");
    if (vm.condition() == launch::Condition::Stopped) throw not_running(vm);
    fmt::print("{}: running\n", vm.name());
    return ExitCode::Ok;
}

}  // namespace

void add_adopt(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("adopt", "Give a VM whose supervisor has died a new one");
    auto word = std::make_shared<std::string>();
    auto replace = std::make_shared<bool>(false);
    add_name(*verb, *word);
    verb->add_flag("--replace", *replace, "also when it has one, which goes: after an upgrade of qvm");
    verb->callback([word, replace, &action] { action = [word, replace] { return adopt(*word, *replace); }; });
}

}  // namespace qvm::cli
