// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/apply_report.hpp"

namespace qvm::launch {

Rest rest_of(const Difference& difference, bool replug) {
    if (difference.has(Action::NextStart)) return Rest::NextStart;
    return !replug && difference.has(Action::Replug) ? Rest::Replugs : Rest::Nothing;
}

ExitCode exit_code_of(const ApplyOutcome& outcome, Rest rest) {
    if (outcome.died) return ExitCode::VmDied;
    const bool waiting = !outcome.pending.empty() || !outcome.deferred.empty() || !outcome.refused.empty();
    if (!outcome.failed.empty() || outcome.cancelled) {
        const bool undone =
            outcome.done.empty() && outcome.not_undone.empty() && outcome.left.empty() && !waiting;
        if (undone) return ExitCode::RolledBack;
        return outcome.cancelled && outcome.not_undone.empty() && waiting ? ExitCode::UnplugPending
                                                                          : ExitCode::RollbackIncomplete;
    }
    if (waiting) return ExitCode::UnplugPending;
    return rest == Rest::Nothing ? ExitCode::Ok : ExitCode::NextStart;
}

std::string_view meaning_of(ExitCode code) {
    switch (code) {
        case ExitCode::Ok:
            return "the VM is as its file says";
        case ExitCode::Usage:
            return "nothing was changed";
        case ExitCode::Invalid:
            return "the file is invalid, or the saved plan is out of date; nothing was changed";
        case ExitCode::Changes:
            return "there are differences";
        case ExitCode::NextStart:
            return "some changes wait for the next start, or for a replug";
        case ExitCode::UnplugPending:
            return "the guest has not let a device go, or has refused to";
        case ExitCode::RolledBack:
            return "it failed, or was stopped, and everything was undone";
        case ExitCode::RollbackIncomplete:
            return "it failed, or was stopped, and something of it is left";
        case ExitCode::NoSuchVm:
            return "no such VM, or it does not run";
        case ExitCode::HostCannot:
            return "this host cannot do it";
        case ExitCode::TimedOut:
            return "timed out waiting; the VM runs on";
        case ExitCode::OutcomeUnknown:
            return "the outcome is unknown";
        case ExitCode::VmDied:
            return "the VM died";
        case ExitCode::JailBroken:
            return "the jail is not as promised";
    }
    return "";
}

Json ApplyReport::to_json() const {
    Json json = Json::object();
    json["vm"] = vm;
    json["generation"] = generation;
    json["revision"] = revision;
    json["changes"] = changes;
    json["done"] = outcome.done;
    json["failed"] =
        outcome.failed.empty()
            ? Json()
            : Json::object(
                  {{"step", outcome.failed}, {"reason", outcome.reason}, {"origin", outcome.origin}});
    json["not-undone"] = outcome.not_undone;
    json["pending"] = outcome.pending;
    json["deferred"] = outcome.deferred;
    json["refused"] = outcome.refused;
    json["cancelled"] = outcome.cancelled;
    json["left"] = outcome.left;
    json["error"] = error.empty() ? Json() : Json::object({{"what", error}, {"advice", advice}});
    json["findings"] = findings;
    json["exit"] = Json::object({{"status", static_cast<int>(code)}, {"meaning", meaning_of(code)}});
    return json;
}

}  // namespace qvm::launch
