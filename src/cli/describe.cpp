// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/describe.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "cli/terminal.hpp"

namespace qvm::cli {

Json Summary::to_json() const {
    Json json = Json::object();
    json["name"] = name;
    json["state"] = state;
    json["detail"] = detail;
    json["file"] = file;
    if (!applied) return json;
    json["accel"] = applied->accel;
    json["jail"] = applied->jail;
    json["attach"] = applied->attach;
    json["qemu"] = applied->qemu;
    const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(applied->started);
    json["started"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
    json["generation"] = applied->generation;
    if (applied->starts_again()) json["restarts"] = applied->restarts;
    if (condition == launch::Condition::Running) json["supervisor-pid"] = applied->supervisor.pid;
    if (condition != launch::Condition::Stopped) json["jail-pid"] = applied->stub.pid;
    if (!applied->ended.is_null() && condition == launch::Condition::Stopped) json["ended"] = applied->ended;
    return json;
}

Summary summarize(const launch::VmState& vm) {
    Summary summary;
    summary.name = vm.name();
    summary.condition = vm.condition();
    try {
        summary.applied = vm.applied();
    } catch (const Error& error) {
        summary.detail = error.what();
    }
    const auto* applied = summary.applied ? &*summary.applied : nullptr;
    switch (summary.condition) {
        case launch::Condition::Running:
            summary.state =
                applied != nullptr && applied->phase == launch::Applied::Phase::Ended ? "ending" : "running";
            break;
        case launch::Condition::Starting:
            summary.state = "starting";
            break;
        case launch::Condition::Orphaned:
            summary.state = "orphaned";
            summary.detail = applied != nullptr && applied->phase == launch::Applied::Phase::Starting
                                 ? fmt::format("its start was interrupted; `qvm kill {}` ends it", vm.name())
                                 : fmt::format(
                                       "the guest runs, its supervisor has died; `qvm adopt {}` gives it a "
                                       "new one, as most "
                                       "other verbs do",
                                       vm.name());
            break;
        case launch::Condition::Stopped:
            summary.state = "stopped";
            if (applied == nullptr) break;
            if (applied->phase != launch::Applied::Phase::Ended) {
                // The supervisor died first; the stub stayed and kept the end.
                const auto end = vm.exit_report();
                if (end && !end->signaled && end->code == 0) {
                    summary.detail = "QEMU ended by itself, after its supervisor had died";
                } else {
                    summary.state = "died";
                    summary.detail =
                        end ? "QEMU " + end->to_string() + ", after its supervisor had died"
                            : "QEMU and its supervisor ended without a word; was the machine restarted?";
                }
            } else if (applied->ended.is_object()) {
                if (applied->ended.value("how", "") == "died") summary.state = "died";
                summary.detail = applied->ended.value("detail", "");
            }
            break;
    }
    if (applied != nullptr) {
        summary.file = applied->origin.string();
        summary.accel = applied->accel;
        if (summary.condition != launch::Condition::Stopped) summary.since = ago(applied->started);
    }
    return summary;
}

}  // namespace qvm::cli
