// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/compare.hpp"
#include "cli/describe.hpp"
#include "cli/jail_verbs.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "config/document.hpp"
#include "launch/control.hpp"
#include "launch/display_place.hpp"
#include "launch/limits.hpp"

namespace qvm::cli {
namespace {

/// QEMU's own word for what the guest does ("running", "paused"), or why it could not be had.
std::string guest_status(const launch::VmState& vm, const Summary& summary, Json& details) {
    try {
        Attached attached(vm);
        if (attached.orphaned())
            return attached.execute("query-status", Json::object(), std::chrono::seconds(5))
                .value("status", "unknown");
        details = attached.execute(launch::control::state, Json::object(), std::chrono::seconds(5));
        if (summary.applied)
            if (const auto gone = unplugged_devices(attached, summary.applied->compiled); !gone.empty())
                details["unplugged"] = gone;
        return details.value("status", "unknown");
    } catch (const Error& error) {
        return fmt::format("unknown ({})", error.what());
    }
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

ExitCode status(const std::string& word, bool json) {
    const launch::VmState vm = find_vm(word);
    const Summary summary = summarize(vm);
    Json details = Json::object();
    const bool alive =
        summary.condition == launch::Condition::Running || summary.condition == launch::Condition::Orphaned;
    const auto guest = alive ? guest_status(vm, summary, details) : std::string();
    const auto* cgroup =
        alive && summary.applied && summary.applied->cgroup ? &*summary.applied->cgroup : nullptr;
    if (json) {
        Json all = summary.to_json();
        if (alive) all["guest"] = guest;
        if (details.contains("pid")) all["qemu-pid"] = details["pid"];
        if (details.contains("helpers")) all["helpers"] = details["helpers"];
        if (details.contains("hooks")) all["hooks"] = details["hooks"];
        if (details.contains("applying")) all["applying"] = details["applying"];
        if (details.contains("pending")) all["pending"] = details["pending"];
        if (details.contains("unplugged")) all["unplugged"] = details["unplugged"];
        if (details.contains("attach-clients")) all["attach-clients"] = details["attach-clients"];
        if (cgroup != nullptr) all["limits"] = launch::limits_json(*cgroup);
        if (alive)
            if (const auto place = launch::display_place(vm, summary.applied->compiled))
                all[place->spice ? "spice" : "vnc"] = place->to_string();
        if (alive) all["attach-socket"] = vm.socket("qmp.sock").string();
        fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
        return ExitCode::Ok;
    }
    std::vector<std::vector<std::string>> rows;
    const auto row = [&](std::string key, std::string value) {
        if (!value.empty()) rows.push_back({std::move(key), escape_controls(value)});
    };
    row(vm.name() + ":", summary.state + (alive && guest != summary.state ? ", guest " + guest : "") +
                             (summary.since.empty() ? "" : " (for " + summary.since + ")"));
    row("", summary.detail);
    if (!alive && summary.applied && summary.applied->ended.is_object())
        if (const auto why = summary.applied->ended.value("hook", ""); !why.empty())
            row("hook stopped", "failed: " + why);
    if (summary.applied) {
        const auto& applied = *summary.applied;
        row("file", summary.file);
        std::vector<std::string> sets, unsets;
        for (const auto& text : applied.overrides)
            (config::Override{text}.unsets() ? unsets : sets).push_back(text);
        row("--set", joined(sets));
        row("--unset", joined(unsets));
        row("qemu", applied.qemu);
        row("accel", applied.accel);
        row("jail", applied.jail);
        row("attach", applied.attach);
        if (applied.restarts > 0 && alive)
            row("restarts",
                fmt::format("{}, after reboots of the guest or deaths of helpers", applied.restarts));
        if (cgroup != nullptr) {
            row("limits", launch::describe_limits(*cgroup));
            for (const auto& sentence : cgroup->missing) row("", sentence);
        }
    }
    if (summary.condition == launch::Condition::Running && summary.applied) {
        row("supervisor", fmt::format("pid {}", summary.applied->supervisor.pid));
        if (details.contains("pid")) row("qemu pid", fmt::format("{}", details["pid"].get<int>()));
        const auto helpers = details.value("helpers", Json::object());
        for (const auto& helper : helpers.items())
            row("helper " + helper.key(), helper.value().get<std::string>());
        const auto hooks = details.value("hooks", Json::object());
        for (const auto& hook : hooks.items())
            row("hook " + hook.key(), "failed: " + hook.value().get<std::string>());
        if (details.value("applying", false)) row("apply", "at work; `qvm log` shows its steps");
        for (const auto& pending : details.value("pending", Json::array()))
            row("pending", fmt::format("{}: {}", pending.value("resource", ""),
                                       pending.value("asked", false)
                                           ? "the guest was asked to let it go, and has not yet"
                                           : "the guest is asked to let it go when it runs"));
        for (const auto& id : details.value("unplugged", Json::array()))
            row("unplugged", fmt::format("device.{}: not at this host any more; once it is, `qvm apply "
                                         "--replug` brings it back",
                                         id.get<std::string>()));
        row("qmp socket", vm.socket("qmp.sock").string());
        if (!summary.applied->console.empty()) row("console", "qvm console " + vm.name());
        if (const auto place = launch::display_place(vm, summary.applied->compiled))
            row("display",
                fmt::format("{} on {}{}; qvm view {}", place->spice ? "SPICE" : "VNC", place->to_string(),
                            place->password ? ", with a password" : "", vm.name()));
    }
    fmt::print("{}", table(rows));
    return ExitCode::Ok;
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("status", "Tell what a VM does, or how it ended");
    auto word = std::make_shared<std::string>();
    auto json = std::make_shared<bool>(false);
    auto jail = std::make_shared<bool>(false);
    add_name(*verb, *word);
    verb->add_flag("--json", *json, "as JSON");
    verb->add_flag("--jail", *jail, "what the kernel says of its jail, against what was promised");
    verb->callback([word, json, jail, &action] {
        action = [word, json, jail] { return *jail ? jail_status(*word, *json) : status(*word, *json); };
    });
}

}  // namespace qvm::cli
