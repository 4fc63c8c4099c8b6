// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU is killed before each step of a start in turn: the failure names the step and the signal, and nothing
// of the VM is left behind. This process is a subreaper, so an escaped process would end up here.
#include <cerrno>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "config/check.hpp"
#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/compile.hpp"
#include "launch/contain.hpp"
#include "launch/daemon.hpp"
#include "launch/placement.hpp"
#include "launch/probe.hpp"
#include "qmp/async.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

namespace fs = std::filesystem;
using namespace qvm;

namespace {

/// With so many devices that they come by QMP, each in a step of its own.
std::string description() {
    std::string text = R"(
memory = "64M"
machine = { type = "q35", accel = "tcg" }
disk.one = { file = "one.raw", boot = 1 }
disk.two = { file = "two.raw", bus = "scsi", boot = 2 }
console = "virtio"
)";
    for (int i = 0; i < 40; ++i)
        text += fmt::format("device.more{} = {{ driver = \"virtio-rng-pci\", rng = \"rng0\" }}\n", i);
    return text;
}

struct Place {
    test::TemporaryDirectory temporary;
    fs::path directory = temporary.path();
    Place() {
        for (const char* disk : {"one.raw", "two.raw"}) fs::resize_file(temporary.write(disk, {}), 1 << 20);
    }
};

struct Prepared {
    config::Vm vm;
    launch::Plan plan;
    fs::path binary;
};

Prepared prepare(const Place& place) {
    Diagnostics diagnostics;
    const auto document =
        config::load({{"faults.toml", place.directory / "faults.toml", description()}}, {}, diagnostics);
    Prepared made;
    made.vm = config::lower(document, diagnostics);
    config::find_host_uses(made.vm, document, diagnostics);
    launch::Probe probe(made.vm.qemu);
    launch::place(made.vm, probe.capabilities(), diagnostics);
    config::check(made.vm, probe.with_properties(config::types_needed(made.vm, probe.capabilities())),
                  diagnostics);
    INFO(diagnostics.to_text(false));
    REQUIRE_FALSE(diagnostics.has_errors());
    made.plan = launch::compile(made.vm, probe.capabilities(), "tcg");
    made.binary = probe.binary();
    return made;
}

std::vector<pid_t> children_of(pid_t parent) {
    std::ifstream file("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
    std::vector<pid_t> pids;
    for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
    return pids;
}

/// The jail's stub is our child, QEMU is the stub's.
void kill_qemu() {
    for (const pid_t stub : children_of(::getpid()))
        for (const pid_t qemu : children_of(stub)) ::kill(qemu, SIGKILL);
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

launch::UpOrder order_of(const Prepared& made, launch::VmState& state) {
    launch::UpOrder order;
    order.start.vm = made.vm;
    order.start.plan = made.plan;
    order.start.binary = made.binary;
    if (const auto uid = state.host_uid()) order.start.host_ids = {*uid, *uid};
    order.start.filter =
        launch::filter_for(launch::filter_options(made.vm), launch::violation_of(made.vm.jail));
    order.start.vm_lock = state.try_lock_vm();
    order.supervisor_lock = state.try_lock_supervisor();
    if (!order.start.vm_lock || !order.supervisor_lock)
        throw Error(ExitCode::Usage, "a lock of the start before is left");
    return order;
}

/// What is wrong after a start whose QEMU was killed before step `victim`; empty: nothing is.
std::string killed_at(std::size_t victim, const Prepared& made, launch::VmState& state) {
    const auto descriptors = open_descriptors();
    const auto kill_it = [&](const std::string&, std::size_t index, std::size_t) {
        if (index == victim) kill_qemu();
    };
    std::string message;
    try {
        launch::up_in_foreground(order_of(made, state), state, kill_it, [](unsigned) {});
        return "it came up";
    } catch (const launch::StartError& error) {
        message = error.what();
        if (error.exit_code() != ExitCode::RolledBack) return "the exit status is another";
    } catch (const std::exception& error) {
        return std::string("it failed otherwise: ") + error.what();
    }
    for (const char* word : {"signal 9", "faults"})
        if (message.find(word) == std::string::npos) return "the message says otherwise: " + message;
    int status = 0;
    if (::waitpid(-1, &status, WNOHANG) != -1 || errno != ECHILD) return "a process is left";
    if (state.condition() != launch::Condition::Stopped) return "a lock is left";
    if (fs::exists(state.runtime_directory())) return "the runtime directory is left";
    if (open_descriptors() != descriptors) return "a descriptor is left open";
    return {};
}

/// The same in a process of its own, because who starts a VM restricts himself for good.
std::string killed_in_child(std::size_t victim, const Prepared& made, launch::VmState& state) {
    Pipe answers;
    const pid_t child = ::fork();
    if (child < 0) throw_errno("fork");
    if (child == 0) {
        answers.read.reset();
        const bool reaps = ::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
        const auto wrong = reaps ? killed_at(victim, made, state) : "no subreaper";
        const bool told =
            ::write(answers.write.get(), wrong.data(), wrong.size()) == static_cast<ssize_t>(wrong.size());
        ::_exit(told ? 0 : 1);
    }
    answers.write.reset();
    std::string wrong;
    char buffer[1024];
    for (ssize_t got = 0; (got = ::read(answers.read.get(), buffer, sizeof buffer)) > 0;)
        wrong.append(buffer, static_cast<std::size_t>(got));
    int status = 0;
    ::waitpid(child, &status, 0);
    return status == 0 ? wrong : "its process ended badly: " + wrong;
}

}  // namespace

TEST_CASE("QEMU killed before each step of its start") {
    const Place place;
    const Prepared made = prepare(place);
    launch::Directories directories;
    directories.state = place.directory / "state";
    directories.runtime = place.directory / "run";
    launch::VmState state(directories, "faults");
    state.claim(place.directory / "faults.toml");
    state.create();

    std::vector<std::size_t> steps;
    for (std::size_t i = 0; i < made.plan.steps.size(); ++i)
        if (std::holds_alternative<launch::QmpStep>(made.plan.steps[i].action)) steps.push_back(i);
    REQUIRE(steps.size() > 8);

    for (const std::size_t victim : steps) {
        const auto title = launch::step_title(made.plan.steps[victim]);
        CAPTURE(victim, title);
        CHECK(killed_in_child(victim, made, state) == "");
        const auto applied = state.applied();
        REQUIRE(applied);
        CHECK(applied->phase == launch::Applied::Phase::Ended);
    }
}
