// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

struct Verb {
    const char* name;
    const char* help;
    const char* command;  ///< QMP's
    const char* done;
};

constexpr Verb verbs[] = {
    {"pause", "Stop a VM's processors", "stop", "paused"},
    {"resume", "Let a paused VM go on", "cont", "resumed"},
    {"reset", "Press a VM's reset button", "system_reset", "reset"},
};

ExitCode run(const Verb& verb, const std::string& word) {
    const launch::VmState vm = find_supervised_vm(word);
    Attached(vm).execute(verb.command, Json::object());
    fmt::print("{}: {}\n", vm.name(), verb.done);
    return ExitCode::Ok;
}

}  // namespace

void add_pause_resume_reset(CLI::App& app, Action& action) {
    for (const auto& entry : verbs) {
        auto* verb = app.add_subcommand(entry.name, entry.help);
        auto word = std::make_shared<std::string>();
        add_name(*verb, *word);
        verb->callback([word, &entry, &action] { action = [word, &entry] { return run(entry, *word); }; });
    }
}

}  // namespace qvm::cli
