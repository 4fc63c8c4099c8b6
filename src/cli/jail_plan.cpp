// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_plan.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/front.hpp"
#include "cli/jail_verbs.hpp"
#include "launch/contain.hpp"
#include "launch/jail_host.hpp"
#include "launch/state.hpp"

namespace qvm::cli {
namespace {

/// jail.user's, or what it had at its last start; a VM that was never started has none yet, and gets none
/// here.
std::optional<launch::HostIds> known_ids(const config::Vm& vm) {
    if (::geteuid() != 0) return std::nullopt;
    if (vm.jail.user) return launch::user_named(vm.jail.user->value);
    launch::VmState state(launch::Directories::from_environment(), vm.name.value);
    const auto applied = state.exists() ? state.applied() : std::nullopt;
    if (!applied || !applied->ids) return std::nullopt;
    const auto [first, last] = launch::range_of(vm.jail);
    return applied->ids->uid >= first && applied->ids->uid <= last ? applied->ids : std::nullopt;
}

ExitCode plan(const LookArguments& arguments) {
    Front front = Front::load_and_check(arguments);
    if (front.report(false)) return ExitCode::Invalid;
    const auto made = front.compile(front.accelerator(arguments));
    const auto nothing_open = [](const std::string&) { return -1; };
    auto spec = launch::contain(
        front.vm, made, nothing_open, front.probe->binary(), known_ids(front.vm),
        launch::filter_for(launch::filter_options(front.vm), launch::violation_of(front.vm.jail)));
    const auto abi = arguments.no_host ? std::nullopt : std::optional(jail::landlock_abi());
    launch::JailPlan jail(made, std::move(spec), launch::violation_of(front.vm.jail), abi,
                          launch::filter_options(front.vm));
    if (front.vm.jail.user) jail.user = front.vm.jail.user->value;
    if (::geteuid() == 0 && !front.vm.jail.user) jail.uids = launch::range_of(front.vm.jail);
    if (::geteuid() == 0) jail.make_devices_anew();
    if (arguments.json)
        fmt::print("{}\n", jail.to_json().dump(2, ' ', false, Json::error_handler_t::replace));
    else
        fmt::print("{}", jail.to_text());
    return ExitCode::Ok;
}

}  // namespace

void add_jail_plan(CLI::App& jail, Action& action) {
    auto* verb =
        jail.add_subcommand("plan", "Show the jail a VM would be started in, to its last system call");
    auto arguments = std::make_shared<LookArguments>();
    arguments->add_to(*verb, "as JSON");
    verb->callback([arguments, &action] { action = [arguments] { return plan(*arguments); }; });
}

}  // namespace qvm::cli
