// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/front.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

ExitCode plan(const LookArguments& arguments) {
    Front front = Front::load_and_check(arguments);
    if (front.report(false)) return ExitCode::Invalid;
    const auto made = front.compile(front.accelerator(arguments));
    if (arguments.json)
        fmt::print("{}\n", made.to_json().dump(2, ' ', false, Json::error_handler_t::replace));
    else
        fmt::print("{}", made.to_text());
    return ExitCode::Ok;
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("plan", "Show what `up` would do, without doing it");
    auto arguments = std::make_shared<LookArguments>();
    arguments->add_to(*verb, "the whole plan as JSON");
    verb->callback([arguments, &action] { action = [arguments] { return plan(*arguments); }; });
}

}  // namespace qvm::cli
