// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/diff.hpp"

#include <cstdio>
#include <optional>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/front.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"
#include "config/stable.hpp"
#include "jail/cgroup_change.hpp"
#include "launch/compiled.hpp"
#include "launch/memory_parts.hpp"
#include "launch/processors.hpp"
#include "launch/state.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string before, after;
    bool json = false;
    bool exit_code = false;
};

/// One of the two: a file as it stands, or, of the name of a VM that runs, what runs.
struct Subject {
    Front front;
    std::optional<launch::Compiled> running;
    std::string accel;
    /// Whose limits can be changed; of a file, which has no cgroup yet, all.
    std::set<std::string> limits{"memory", "cpu", "pids", "io"};
    unsigned spare_pcie_ports = 0;  ///< as the file asks for
};

Subject load(const std::string& word) {
    Subject subject;
    FileArguments arguments;
    arguments.target = word;
    subject.front = Front::load(arguments);
    subject.spare_pcie_ports = subject.front.vm.spare_pcie_ports.value;
    if (is_file_reference(word)) return subject;
    const launch::VmState vm(launch::Directories::from_environment(), word);
    const auto condition = vm.condition();
    if (condition != launch::Condition::Running && condition != launch::Condition::Orphaned) return subject;
    if (const auto applied = vm.applied()) {
        subject.running = applied->compiled;
        subject.accel = applied->accel;
        subject.limits = applied->cgroup ? jail::controllers_of(*applied->cgroup) : std::set<std::string>();
    }
    return subject;
}

/// Places and checks it, with `other` (may be null) in mind, unless it runs and has its places. False, and
/// reported, when it has errors.
bool settle(Subject& subject, const config::Vm* other) {
    Front& front = subject.front;
    front.find_qemu();
    if (subject.running) {
        front.vm = launch::read_compiled(*subject.running, front.vm.name.value, *front.probe);
        return true;
    }
    if (front.diagnostics.has_errors()) return !front.report(false);
    if (other != nullptr) {
        launch::place_processors(front.vm, *other, {});
        launch::place_memory(front.vm, *other);
    }
    front.check(other);
    return !front.report(false);
}

/// What is wrong in both files is said of both.
bool settle_both(Subject& before, Subject& after) {
    // What runs has its places; whichever does not run takes them over, as it would with `apply`.
    const bool runs = after.running && !before.running;
    Subject& first = runs ? after : before;
    Subject& second = runs ? before : after;
    const bool good = settle(first, nullptr);
    return settle(second, good ? &first.front.vm : nullptr) && good;
}

launch::Compiled compiled(const Subject& subject) {
    return subject.running ? *subject.running : launch::compiled(subject.front.vm, subject.spare_pcie_ports);
}

bool says_name(const Subject& subject) {
    return !subject.running && subject.front.vm.name.given();
}

bool has_uuid_of_name(const Subject& subject) {
    const auto& vm = subject.front.vm;
    return vm.uuid && vm.uuid->value == config::stable_uuid(vm.name.value);
}

ExitCode diff(const Arguments& arguments) {
    Subject before = load(arguments.before);
    Subject after = load(arguments.after);
    if (!settle_both(before, after)) return ExitCode::Invalid;
    const auto old_parts = compiled(before), new_parts = compiled(after);
    const auto* document = after.running ? nullptr : &after.front.document;
    auto difference = launch::diff({before.front.vm, old_parts, nullptr, before.accel, before.limits},
                                   {after.front.vm, new_parts, document}, after.front.probe->capabilities());
    // A name that comes from the file's own name is no difference, nor is what comes from the name.
    const bool named = says_name(before) && says_name(after);
    const bool same_uuid = has_uuid_of_name(before) && has_uuid_of_name(after);
    std::erase_if(difference.changes, [&](const auto& change) {
        return !named && change.resource.id.empty() &&
               (change.member == "name" || (change.member == "uuid" && same_uuid));
    });
    if (after.running)
        for (auto& change : difference.changes) change.origin = {};  // in no file
    if (arguments.json) {
        Json all = Json::object();
        all["before"] = arguments.before;
        all["after"] = arguments.after;
        all["changes"] = launch::to_json(difference);
        fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
    } else if (!difference.empty()) {
        fmt::print("{}", launch::to_text(difference));
    }
    return arguments.exit_code && !difference.empty() ? ExitCode::Changes : ExitCode::Ok;
}

}  // namespace

void add_diff(CLI::App& app, Action& action) {
    auto* verb =
        app.add_subcommand("diff", "Compare two VMs: what `apply` would do if A ran and B were applied");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("a", arguments->before, "a VM's file, or its name: what runs, if it does")
        ->type_name("A")
        ->required();
    verb->add_option("b", arguments->after, "likewise")->type_name("B")->required();
    verb->add_flag("--json", arguments->json, "the differences as JSON");
    verb->add_flag("--exit-code", arguments->exit_code, "exit 3 if there are differences");
    verb->callback([arguments, &action] { action = [arguments] { return diff(*arguments); }; });
}

}  // namespace qvm::cli
