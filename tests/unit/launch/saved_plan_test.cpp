// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/saved_plan.hpp"

#include "base/error.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

SavedPlan a_plan() {
    SavedPlan plan;
    plan.vm = "web";
    plan.generation = 3;
    plan.revision = 7;
    plan.directory = "/srv";
    plan.files = {{"/srv/web.toml", "aa"}, {"/srv/more.toml", "bb"}};
    plan.overrides = {"memory=2G"};
    plan.replug = true;
    plan.changes = Json::array({Json::object({{"action", "add"}, {"origin", "web.toml:3:1"}})});
    return plan;
}

using Lines = std::vector<std::string>;

std::string failure_of(const std::string& text) {
    try {
        SavedPlan::from_text(text, "web.plan");
    } catch (const Error& error) {
        CHECK(error.exit_code() == ExitCode::Invalid);
        CHECK_FALSE(error.advice().empty());
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("a plan that was saved is read again") {
    const auto text = a_plan().text();
    CHECK(is_saved_plan(text));
    const auto again = SavedPlan::from_text(text, "web.plan");
    CHECK(again.text() == text);
    CHECK(what_differs(a_plan(), again) == Lines{});
}

TEST_CASE("no VM's file is taken for a saved plan") {
    for (const char* text : {"", "\n", "memory = \"1G\"\n", "# {\n", "[disk.a]\n"})
        CHECK_FALSE(is_saved_plan(text));
    // JSON of others.
    for (const char* text : {" \n{}", "{\"name\": \"web\"}", "{\"a\": {\"qvm-plan\": 1}}", "{\"name\": "})
        CHECK_FALSE(is_saved_plan(text));
    CHECK(is_saved_plan("\n{\"vm\": \"web\", \"qvm-plan\": 1}"));
    CHECK(is_saved_plan("{\"qvm-plan\": 1, \"vm\""));  // damaged: to be told, not taken for TOML
}

TEST_CASE("what makes a plan anew has all it was made with") {
    auto plan = a_plan();
    CHECK(plan.command("web.plan") ==
          "qvm plan -o web.plan /srv/web.toml -f /srv/more.toml --set memory=2G --replug");
    plan.files = {{"/srv/my web.toml", "aa"}};
    plan.overrides = {"kernel.append=it's", "defaults=false"};
    plan.replug = false;
    plan.fix_drift = true;
    CHECK(plan.command("a b") ==
          "qvm plan -o 'a b' '/srv/my web.toml' --set 'kernel.append=it'\\''s' --set defaults=false "
          "--fix-drift");
}

TEST_CASE("what is no plan, or another version's, is told") {
    CHECK_THAT(failure_of("{"), ContainsSubstring("'web.plan' is no saved plan"));
    CHECK_THAT(failure_of("{}"), ContainsSubstring("it has no \"qvm-plan\""));
    CHECK_THAT(failure_of("{\"qvm-plan\": 2}"), ContainsSubstring("format 2, and this qvm knows format 1"));
    CHECK_THAT(failure_of("{\"qvm-plan\": 1}"), ContainsSubstring("'web.plan' is no saved plan"));
    auto plan = a_plan();
    plan.files.clear();
    CHECK_THAT(failure_of(plan.text()), ContainsSubstring("names no file"));
}

TEST_CASE("a plan is out of date when the VM, a file or what would be done is another") {
    const auto differs = [](void (*change)(SavedPlan&)) {
        auto now = a_plan();
        change(now);
        return what_differs(a_plan(), now);
    };
    CHECK(differs([](SavedPlan& now) { now.generation = 4; }) == Lines{"web was started anew"});
    CHECK(differs([](SavedPlan& now) { now.revision = 8; }) == Lines{"web was changed by another apply"});
    CHECK(differs([](SavedPlan& now) { now.files[1].hash = "cc"; }) == Lines{"/srv/more.toml has changed"});
    CHECK(differs([](SavedPlan& now) { now.files.pop_back(); }) == Lines{"/srv/more.toml has changed"});
    CHECK(differs([](SavedPlan& now) {
              now.generation = 4;
              now.files[0].hash = "cc";
              now.changes.clear();
          }) == Lines{"web was started anew", "/srv/web.toml has changed"});
    CHECK(differs([](SavedPlan& now) { now.changes[0]["action"] = "remove"; }) ==
          Lines{"its changes would be others than those it shows"});
    CHECK(differs([](SavedPlan& now) { now.changes[0]["origin"] = "/srv/web.toml:3:1"; }) == Lines{});
    CHECK(differs([](SavedPlan& now) { now.vm = "other"; }) == Lines{"its file is that of other now"});
}
