// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/runner.hpp"

#include "qmp/async.hpp"
#include "support/catch.hpp"
#include "support/fake_qmp_server.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

Origin at_line(std::uint32_t line) {
    return {std::make_shared<const std::string>("vm.toml"), line, 1, 4, nullptr};
}

Step qmp_step(std::string command, std::string device = {}, std::uint32_t line = 0) {
    Step step;
    step.action = QmpStep{std::move(command), Json::object({{"id", device}}), {}};
    step.resource = {config::Kind::Device, std::move(device)};
    if (line > 0) step.origin = at_line(line);
    return step;
}

Step wait_step(std::string event) {
    Step step;
    step.action = WaitStep{std::move(event), std::chrono::seconds(10)};
    return step;
}

/// Runs a plan against a scripted QEMU.
struct Stage {
    test::TemporaryDirectory directory;
    qmp::net::io_context context{1};
    test::FakeQmpServer qemu{context};
    qmp::Client client{context, qemu.client_end()};
    std::vector<std::string> progress;

    static qmp::net::awaitable<void> play(Stage& stage, const Plan& plan, HostResources& host) {
        auto greeting = stage.client.handshake(std::chrono::seconds(10));
        co_await std::move(greeting);
        const Progress report = [&stage](std::size_t index, const Plan& all) {
            stage.progress.push_back(step_title(all.steps[index]));
        };
        auto steps = run_steps(stage.client, plan, host, report);
        co_await std::move(steps);
    }

    void run(const Plan& plan) {
        Directories directories;
        directories.state = directory.path() / "state";
        directories.runtime = directory.path() / "run";
        HostResources host{VmState(directories, "web")};
        qmp::run(context, play(*this, plan, host));
    }
};

}  // namespace

TEST_CASE("a plan's commands are sent one after the other, and progress names them") {
    Stage stage;
    stage.qemu.negotiate().expect("device_add", Json::object({{"id", "a"}})).reply();
    stage.qemu.expect("cont").event("RESUME").reply();
    Plan plan;
    plan.steps = {qmp_step("device_add", "a"), qmp_step("cont"), wait_step("RESUME")};
    stage.run(plan);
    CHECK(stage.qemu.complaint().empty());
    CHECK(stage.progress == std::vector<std::string>{"device_add device.a", "cont", "wait for RESUME"});
}

TEST_CASE("an event after the reply ends the wait too") {
    Stage stage;
    stage.qemu.negotiate().expect("cont").reply().event("STOP").event("RESUME");
    Plan plan;
    plan.steps = {qmp_step("cont"), wait_step("RESUME")};
    stage.run(plan);
    CHECK(stage.qemu.finished());
}

TEST_CASE("a refusal stops the plan and points at the file") {
    Stage stage;
    stage.qemu.negotiate().expect("device_add").reply();
    stage.qemu.expect("device_add").fail("GenericError", "no such bus");
    Plan plan;
    plan.steps = {qmp_step("device_add", "a", 3), qmp_step("device_add", "b", 7), qmp_step("cont")};
    try {
        stage.run(plan);
        FAIL("it succeeded");
    } catch (const StepError& error) {
        CHECK(error.cause() == StepError::Cause::Refused);
        CHECK(error.exit_code() == ExitCode::RolledBack);
        const auto d = error.diagnostic();
        CHECK(d.kind == DiagnosticKind::QemuRefused);
        CHECK(d.origin.to_string() == "vm.toml:7:1");
        CHECK(d.message == "QEMU refused device_add device.b: no such bus");
    }
    CHECK(stage.qemu.received().size() ==
          3);  // qmp_capabilities and two device_add: nothing after the failure
}

TEST_CASE("a node that is smaller grows, and none is shrunk") {
    const auto grow = [](Stage& stage, std::uint64_t size) {
        stage.qemu.negotiate()
            .expect("query-named-block-nodes", Json::object({{"flat", true}}))
            .reply(Json::parse(R"([{"node-name": "b", "image": {"virtual-size": 1}},
                                   {"node-name": "a", "image": {"virtual-size": 4096}}])"));
        Plan plan;
        plan.steps = {{GrowStep{"a", size}, {config::Kind::Blockdev, "a"}, at_line(3)}};
        if (size > 4096)
            stage.qemu.expect("block_resize", Json::object({{"node-name", "a"}, {"size", size}})).reply();
        stage.run(plan);
    };
    Stage same, larger, smaller;
    grow(same, 4096);
    CHECK(same.qemu.finished());
    grow(larger, 8192);
    CHECK(larger.qemu.finished());
    CHECK(larger.progress == std::vector<std::string>{"block_resize blockdev.a"});
    CHECK_THROWS_WITH(grow(smaller, 512), ContainsSubstring("it has 4K already, which is more than 512"));
    CHECK(smaller.qemu.received().size() == 2);
}

TEST_CASE("QEMU that goes away in any step is told with that step") {
    for (std::size_t victim = 0; victim < 3; ++victim) {
        Stage stage;
        stage.qemu.negotiate();
        for (std::size_t i = 0; i < victim; ++i) stage.qemu.expect("device_add").reply();
        stage.qemu.expect("device_add").close();
        Plan plan;
        for (const char* id : {"a", "b", "c"}) plan.steps.push_back(qmp_step("device_add", id));
        try {
            stage.run(plan);
            FAIL("it succeeded");
        } catch (const StepError& error) {
            CHECK(error.cause() == StepError::Cause::Gone);
            CHECK(error.step() == "device_add device." + std::string(1, static_cast<char>('a' + victim)));
        }
    }
}

TEST_CASE("QEMU that goes away instead of sending an event") {
    Stage stage;
    stage.qemu.negotiate().expect("cont").reply().close();
    Plan plan;
    plan.steps = {qmp_step("cont"), wait_step("RESUME")};
    try {
        stage.run(plan);
        FAIL("it succeeded");
    } catch (const StepError& error) {
        CHECK(error.cause() == StepError::Cause::Gone);
        CHECK(error.step() == "wait for RESUME");
    }
}
