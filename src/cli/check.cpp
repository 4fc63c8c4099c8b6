// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/front.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

/// For who reads JSON, a file that cannot be read is a finding like the others.
ExitCode report_unreadable(const config::UnreadableFile& error) {
    Front nothing;
    const Origin file{std::make_shared<const std::string>(error.path()), 0, 0, 0, nullptr};
    nothing.diagnostics.add({DiagnosticKind::FileMissing, file, error.what(), {}, {error.advice()}});
    nothing.report(true);
    return error.exit_code();
}

ExitCode check(const LookArguments& arguments) {
    Front front = Front::load_and_check(arguments);
    if (front.report(arguments.json)) return ExitCode::Invalid;
    if (!arguments.json)
        fmt::print("{}: ok, for {}{}\n", front.paths.front(), front.probe->capabilities().to_string(),
                   arguments.no_host ? "; what only this host can tell was left out" : "");
    return ExitCode::Ok;
}

}  // namespace

void add_check(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("check", "Say everything that is wrong with a VM's file");
    auto arguments = std::make_shared<LookArguments>();
    arguments->add_to(*verb, "the findings as JSON on standard output");
    arguments->add_schema_to(*verb);
    verb->callback([arguments, &action] {
        action = [arguments] {
            if (!arguments->json) return check(*arguments);
            try {
                return check(*arguments);
            } catch (const config::UnreadableFile& error) {
                return report_unreadable(error);
            }
        };
    });
}

}  // namespace qvm::cli
