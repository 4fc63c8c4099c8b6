// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/describe.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

/// "~/vms/web.toml" rather than the whole path.
std::string shortened(const std::string& path) {
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0' || !path.starts_with(std::string(home) + '/')) return path;
    return '~' + path.substr(std::string_view(home).size());
}

ExitCode ls(bool json) {
    const auto directories = launch::Directories::from_environment();
    Json all = Json::array();
    std::vector<std::vector<std::string>> rows{{"NAME", "STATE", "SINCE", "ACCEL", "JAIL", "FILE"}};
    for (const auto& name : launch::all_names(directories)) {
        const auto summary = summarize(launch::VmState(directories, name));
        all.push_back(summary.to_json());
        rows.push_back({name, summary.state, summary.since, summary.accel,
                        summary.applied ? summary.applied->jail : std::string(), shortened(summary.file)});
    }
    if (json)
        fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
    else if (rows.size() == 1)
        fmt::print("no VMs; `qvm up FILE` starts one\n");
    else
        fmt::print("{}", table(rows));
    return ExitCode::Ok;
}

}  // namespace

void add_ls(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("ls", "List the VMs that run or have run");
    auto json = std::make_shared<bool>(false);
    verb->add_flag("--json", *json, "as JSON");
    verb->callback([json, &action] { action = [json] { return ls(*json); }; });
}

}  // namespace qvm::cli
