// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/compare.hpp"
#include "cli/plan_file.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    LookArguments look;
    bool exit_code = false;
    PlanOptions options;
    std::string save_as;  ///< empty: it is not saved
};

void save(const launch::SavedPlan& plan, const Arguments& arguments) {
    write_plan_file(plan, arguments.save_as);
    const auto word = is_file_reference(arguments.save_as) ? arguments.save_as : "./" + arguments.save_as;
    if (!arguments.look.json) fmt::print("saved: `qvm apply {}` does exactly this\n", word);
}

/// What `apply` would do to a VM that runs.
ExitCode plan_changes(const Arguments& arguments, Front& front, const launch::VmState& vm) {
    Attached attached(vm);
    const auto applied = vm.applied().value();
    const Comparison comparison =
        compare(front, applied, observe(attached, applied.compiled), arguments.options.fix_drift);
    if (!arguments.look.no_host) front.check_host();
    if (front.report(false)) return ExitCode::Invalid;
    warn_of_drift(comparison.drift, vm.name(), arguments.options.fix_drift);
    const auto& difference = comparison.difference;
    if (arguments.look.json) {
        Json all = Json::object();
        all["vm"] = vm.name();
        all["generation"] = comparison.applied.generation;
        all["revision"] = comparison.applied.revision;
        all["changes"] = launch::to_json(difference);
        fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
    } else {
        fmt::print("{} runs: {}", vm.name(), difference.empty() ? "" : "its file says otherwise\n");
        fmt::print("{}", launch::to_text(difference));
    }
    if (!arguments.save_as.empty()) save(plan_of(front, comparison, arguments.options), arguments);
    if (!arguments.exit_code || difference.empty()) return ExitCode::Ok;
    return difference.has_live(true) ? ExitCode::Changes : ExitCode::NextStart;
}

/// Only an `apply` can be saved.
Error cannot_save(const Front& front, const launch::VmState& vm) {
    return {ExitCode::NoSuchVm,
            fmt::format("{} does not run: there is nothing that `apply` could do", vm.name()),
            fmt::format("`qvm up {}` starts it as its file says", front.paths.front())};
}

ExitCode plan(const Arguments& all) {
    const LookArguments& arguments = all.look;
    Front front = Front::load(arguments.vm);
    launch::VmState vm(launch::Directories::from_environment(), front.vm.name.value);
    // What runs has nothing to do with a QEMU that is elsewhere.
    if (!front.diagnostics.has_errors() && arguments.schema.empty()) {
        adopt_orphan(vm);
        if (runs(front, vm)) return plan_changes(all, front, vm);
        if (!all.save_as.empty()) throw cannot_save(front, vm);
    }
    front.check(arguments);
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
    auto* verb = app.add_subcommand("plan", "Show what `up`, or of a running VM `apply`, would do");
    auto arguments = std::make_shared<Arguments>();
    arguments->look.add_to(*verb, "the whole plan as JSON");
    verb->add_flag("--exit-code", arguments->exit_code,
                   "exit 3 if something would change now, 4 if only at the next start");
    auto* save_as = verb->add_option("-o,--out", arguments->save_as,
                                     "also save the plan of a running VM, for `qvm apply FILE`")
                        ->type_name("FILE");
    arguments->look.add_schema_to(*verb);
    verb->get_option("--schema")->excludes(save_as);
    verb->add_flag("--replug", arguments->options.replug, "the saved plan replugs, too")->needs(save_as);
    verb->add_flag("--fix-drift", arguments->options.fix_drift,
                   "also add again what somebody has taken away beside qvm, and helpers that died");
    verb->callback([arguments, &action] { action = [arguments] { return plan(*arguments); }; });
}

}  // namespace qvm::cli
