// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/apply_report.hpp"

#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

Difference with(std::initializer_list<Action> actions) {
    Difference difference;
    for (const auto action : actions) {
        Change change;
        change.action = action;
        difference.changes.push_back(change);
    }
    return difference;
}

ExitCode code_of(void (*happens)(ApplyOutcome&), Rest rest = Rest::Nothing) {
    ApplyOutcome outcome;
    outcome.done = {"device_add device.a"};
    happens(outcome);
    return exit_code_of(outcome, rest);
}

}  // namespace

TEST_CASE("what an apply leaves") {
    CHECK(rest_of(with({Action::Add, Action::Remove, Action::InPlace}), false) == Rest::Nothing);
    CHECK(rest_of(with({Action::Add, Action::Replug}), false) == Rest::Replugs);
    CHECK(rest_of(with({Action::Add, Action::Replug}), true) == Rest::Nothing);
    CHECK(rest_of(with({Action::Replug, Action::NextStart}), true) == Rest::NextStart);
}

TEST_CASE("the exit status of an apply") {
    const auto nothing = [](ApplyOutcome&) {};
    CHECK(code_of(nothing) == ExitCode::Ok);
    CHECK(code_of(nothing, Rest::Replugs) == ExitCode::NextStart);
    CHECK(code_of(nothing, Rest::NextStart) == ExitCode::NextStart);
    CHECK(code_of([](ApplyOutcome& o) { o.pending = {"device.b"}; }, Rest::NextStart) ==
          ExitCode::UnplugPending);
    CHECK(code_of([](ApplyOutcome& o) { o.deferred = {"device.b"}; }) == ExitCode::UnplugPending);
    CHECK(code_of([](ApplyOutcome& o) { o.refused = {"device.b: no"}; }) == ExitCode::UnplugPending);
    CHECK(code_of([](ApplyOutcome& o) {
              o.failed = "device_add device.b";
              o.done.clear();
          }) == ExitCode::RolledBack);
    CHECK(code_of([](ApplyOutcome& o) {
              o.failed = "device_add device.b";
              o.done.clear();
              o.not_undone = {"blockdev-del blockdev.b"};
          }) == ExitCode::RollbackIncomplete);
    CHECK(code_of([](ApplyOutcome& o) { o.failed = "blockdev-del blockdev.b"; }) ==
          ExitCode::RollbackIncomplete);
    CHECK(code_of([](ApplyOutcome& o) {
              o.failed = "device_add device.b";
              o.died = true;
          }) == ExitCode::VmDied);
}

TEST_CASE("the exit status of an apply that was stopped") {
    CHECK(code_of([](ApplyOutcome& o) {
              o.cancelled = true;
              o.done.clear();
          }) == ExitCode::RolledBack);
    CHECK(code_of([](ApplyOutcome& o) {
              o.cancelled = true;
              o.left = {"blockdev-del blockdev.b"};
          }) == ExitCode::RollbackIncomplete);
    CHECK(code_of([](ApplyOutcome& o) {
              o.cancelled = true;
              o.left = {"blockdev-del blockdev.b"};
              o.pending = {"device.b"};
          }) == ExitCode::UnplugPending);
}

TEST_CASE("the report of an apply as JSON") {
    ApplyReport report;
    report.vm = "web";
    CHECK(report.to_json()["failed"].is_null());
    CHECK(report.to_json()["error"].is_null());
    CHECK(report.to_json()["exit"] ==
          Json::object({{"status", 0}, {"meaning", "the VM is as its file says"}}));
    report.outcome.failed = "device_add device.b";
    report.outcome.reason = "no";
    report.outcome.origin = "web.toml:3:1";
    report.code = ExitCode::RolledBack;
    CHECK(report.to_json()["failed"] ==
          Json::object({{"step", "device_add device.b"}, {"reason", "no"}, {"origin", "web.toml:3:1"}}));
    CHECK(report.to_json()["exit"]["status"] == 6);
}

TEST_CASE("outcome and step survive the way from the supervisor") {
    ApplyOutcome outcome;
    outcome.cancelled = true;
    outcome.left = {"blockdev-del blockdev.b"};
    CHECK(ApplyOutcome::from_json(outcome.to_json()).to_json() == outcome.to_json());
    auto older = ApplyOutcome().to_json();
    older.erase("cancelled");
    older.erase("left");
    CHECK(ApplyOutcome::from_json(older).to_json() == ApplyOutcome().to_json());
    const ApplyStep step{ApplyStep::Doing::Undoing, "object-del object.io", 2, 3};
    CHECK(ApplyStep::from_json(step.to_json()).to_json() == step.to_json());
    CHECK(step.to_json()["doing"] == "undo");
}
