// SPDX-License-Identifier: GPL-3.0-or-later
// An apply that is told to stop, against a scripted QEMU.
#include "launch/applier.hpp"

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "qmp/async.hpp"
#include "support/catch.hpp"
#include "support/fake_qmp_server.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

using Lines = std::vector<std::string>;

Operation command(std::string name, std::string resource, std::string undo = {}) {
    Operation operation;
    operation.command = std::move(name);
    operation.resource = std::move(resource);
    if (!undo.empty()) operation.undo = {command(std::move(undo), operation.resource)};
    return operation;
}

Operation unplug(std::string device) {
    Operation operation;
    operation.kind = Operation::Kind::Unplug;
    operation.device = device;
    operation.resource = "device." + device;
    return operation;
}

/// A QEMU whose devices never go, and that keeps what it was told.
struct Stage {
    qmp::net::io_context context{1};
    test::FakeQmpServer qemu{context};
    qmp::Client client{context, qemu.client_end()};
    Applied applied;
    Applier applier{context, client, applied, hooks()};
    Lines commands, steps;
    std::string cancel_at;  ///< it is told to stop when this step begins
    ApplyOutcome outcome;
    int writes_left = 1000;  ///< then there is no room for the record

    ApplyHooks hooks() {
        return {[this] {
                    if (writes_left == 0) throw SystemError("write 'applied.json'", ENOSPC);
                    --writes_left;
                },
                [](const Json&) {}, [](const Json&) {}, [](const std::string&) {}, [](const std::string&) {}};
    }

    Json answer(const test::FakeQmpServer::Received& received) {
        if (received.command == "query-status") return Json::object({{"running", true}});
        if (received.command == "qom-list") return Json::array({Json::object({{"name", "old"}})});
        commands.push_back(received.command);
        return Json::object();
    }

    static qmp::net::awaitable<void> play(Stage& stage, Operations operations) {
        auto greeting = stage.client.handshake(std::chrono::seconds(10));
        co_await std::move(greeting);
        ApplyWatcher watcher = [&stage](const ApplyStep& step) {
            constexpr std::array<const char*, 3> doing{"", "wait: ", "undo: "};
            const auto title = doing.at(static_cast<std::size_t>(step.doing)) + step.title;
            stage.steps.push_back(std::to_string(step.index) + "/" + std::to_string(step.count) + " " +
                                  title);
            if (title == stage.cancel_at) stage.applier.cancel();
        };
        auto run = stage.applier.run(std::move(operations), {}, std::chrono::minutes(10), std::move(watcher));
        stage.outcome = co_await std::move(run);
    }

    ApplyOutcome run(Operations operations, std::string cancel = {}) {
        cancel_at = std::move(cancel);
        qemu.negotiate().answer_rest([this](const auto& received) { return answer(received); });
        qmp::run(context, play(*this, std::move(operations)));
        CHECK_FALSE(applier.cancel());
        return outcome;
    }
};

Operations additions_and_removals() {
    Operations operations;
    operations.additions = {command("blockdev-add", "blockdev.a", "blockdev-del"),
                            command("device_add", "device.a", "a-del")};
    operations.removals = {command("first-del", "object.x"), command("second-del", "object.y")};
    operations.replugs = {command("third-del", "object.z")};
    return operations;
}

}  // namespace

TEST_CASE("each step of an apply is told before it is done") {
    Stage stage;
    stage.run(additions_and_removals());
    CHECK(stage.steps == Lines{"1/5 blockdev-add blockdev.a", "2/5 device_add device.a",
                               "3/5 first-del object.x", "4/5 second-del object.y",
                               "5/5 third-del object.z"});
    CHECK_FALSE(stage.outcome.cancelled);
}

TEST_CASE("an apply that is told to stop undoes what it added") {
    Stage stage;
    const auto outcome = stage.run(additions_and_removals(), "blockdev-add blockdev.a");
    CHECK(outcome.cancelled);
    CHECK(outcome.failed.empty());
    CHECK(outcome.done == Lines{});
    CHECK(stage.commands == Lines{"blockdev-add", "blockdev-del"});
    CHECK(stage.steps.back() == "1/1 undo: blockdev-del blockdev.a");
}

TEST_CASE("before its first removal everything can be undone") {
    Stage stage;
    const auto outcome = stage.run(additions_and_removals(), "device_add device.a");
    CHECK(outcome.cancelled);
    CHECK(outcome.left == Lines{});
    CHECK(stage.commands == Lines{"blockdev-add", "device_add", "a-del", "blockdev-del"});
}

TEST_CASE("what cannot be written down is undone before the first removal") {
    for (const int writes : {0, 1, 2}) {
        CAPTURE(writes);
        Stage stage;
        stage.writes_left = writes;
        const auto outcome = stage.run(additions_and_removals());
        CHECK_FALSE(outcome.failed.empty());
        CHECK_THAT(outcome.reason, Catch::Contains("No space left"));
        CHECK(outcome.done == Lines{});
        CHECK(outcome.not_undone == Lines{});
        const std::array<Lines, 3> commands{Lines{}, Lines{"blockdev-add", "blockdev-del"},
                                            Lines{"blockdev-add", "device_add", "a-del", "blockdev-del"}};
        CHECK(stage.commands == commands.at(static_cast<std::size_t>(writes)));
    }
}

TEST_CASE("in the midst of the removals it says what is left") {
    Stage stage;
    const auto outcome = stage.run(additions_and_removals(), "first-del object.x");
    CHECK(outcome.cancelled);
    CHECK(outcome.done == Lines{"blockdev-add blockdev.a", "device_add device.a", "first-del object.x"});
    CHECK(outcome.left == Lines{"second-del object.y", "third-del object.z"});
    CHECK(stage.commands == Lines{"blockdev-add", "device_add", "first-del"});
}

TEST_CASE("told to stop at its last step, it is done") {
    Stage stage;
    const auto outcome = stage.run(additions_and_removals(), "third-del object.z");
    CHECK_FALSE(outcome.cancelled);
    CHECK(outcome.done.size() == 5);
    Operations additions;
    additions.additions = {command("blockdev-add", "blockdev.a", "blockdev-del")};
    Stage other;
    CHECK_FALSE(other.run(additions, "blockdev-add blockdev.a").cancelled);
    CHECK(other.commands == Lines{"blockdev-add"});
}

TEST_CASE("while it waits for the guest only the waiting ends") {
    Stage stage;
    Operations operations;
    auto backend = command("blockdev-del", "blockdev.old");
    backend.after = {"old"};
    operations.removals = {unplug("old"), backend, command("object-del", "object.x")};
    const auto outcome = stage.run(operations, "wait: device.old");
    CHECK_FALSE(outcome.cancelled);
    CHECK(outcome.pending == Lines{"device.old"});
    CHECK(outcome.done == Lines{"object-del object.x"});
    CHECK(stage.commands == Lines{"device_del", "object-del"});
    REQUIRE(stage.applied.after_pending.size() == 1);
    CHECK(stage.applied.after_pending.front().title() == "blockdev-del blockdev.old");
}
