// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/front.hpp"
#include "cli/verbs.hpp"
#include "config/dump.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    FileArguments vm;
    std::string schema;
    bool compiled = false;
    bool origin = false;
};

ExitCode show(const Arguments& arguments) {
    Front front = Front::load(arguments.vm);
    // Only the compiled form depends on QEMU: buses and addresses are allotted by its types.
    if (!arguments.schema.empty()) front.take_saved_qemu(arguments.schema);
    if (arguments.compiled) front.check();
    if (front.report(false)) return ExitCode::Invalid;
    if (arguments.compiled)
        fmt::print("{}", config::to_toml(front.vm));
    else if (arguments.origin)
        fmt::print("{}", config::origins_text(front.document));
    else
        fmt::print("{}", config::to_toml(front.document));
    return ExitCode::Ok;
}

}  // namespace

void add_show(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("show", "Print a VM's file after merging, or what it means");
    auto arguments = std::make_shared<Arguments>();
    arguments->vm.add_to(*verb);
    auto* compiled =
        verb->add_flag("--compiled", arguments->compiled, "at the raw level: every resource, every key");
    verb->add_flag("--origin", arguments->origin, "each value with the place it comes from")
        ->excludes(compiled);
    verb->add_option("--schema", arguments->schema, std::string("with --compiled: ") + schema_help)
        ->type_name("FILE")
        ->needs(compiled);
    verb->callback([arguments, &action] { action = [arguments] { return show(*arguments); }; });
}

}  // namespace qvm::cli
