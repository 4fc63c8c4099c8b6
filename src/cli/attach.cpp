// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/attach.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "launch/adopt.hpp"
#include "launch/plan.hpp"
#include "qmp/async.hpp"

namespace qvm::cli {
namespace {

qmp::net::awaitable<void> negotiate(qmp::Client& client) {
    auto greeting = client.handshake(std::chrono::seconds(10));
    co_await std::move(greeting);
}

qmp::net::awaitable<void> execute_into(qmp::Client& client, std::string command, Json arguments,
                                       qmp::ExecuteOptions options, Json& result) {
    auto reply = client.execute(std::move(command), std::move(arguments), options);
    result = co_await std::move(reply);
}

/// A damaged state file names none.
std::optional<jail::CgroupRecord> known_cgroup(const launch::VmState& vm) {
    try {
        const auto applied = vm.applied();
        return applied ? applied->cgroup : std::nullopt;
    } catch (const Error&) {
        return std::nullopt;
    }
}

/// A lock is free a moment before the process that held it is gone.
void wait_for_last_processes(const launch::VmState& vm) try {
    constexpr int patience_ms = 1000;
    const auto applied = vm.applied();
    // Else it is the life of an `up` that has waited.
    if (!applied || vm.condition() != launch::Condition::Stopped) return;
    for (const auto& record :
         {applied->spawner.value_or(launch::ProcessRecord()), applied->supervisor, applied->stub})
        if (const PidFd process = record.open()) process.wait_ended(patience_ms);
} catch (const Error&) {
    // A damaged state file names none.
}

}  // namespace

void adopt_orphan(launch::VmState& vm, const std::string& notice) {
    if (!launch::can_be_adopted(vm)) return;
    const auto outcome = launch::adopt(vm);
    if (!notice.empty()) print_warning(fmt::format("{}: {}", vm.name(), notice));
    for (const auto& note : outcome.notes)
        print_warning(fmt::format("{}: {}", vm.name(), escape_controls(note)));
}

launch::VmState find_supervised_vm(const std::string& word) {
    launch::VmState vm = find_vm(word);
    adopt_orphan(vm);
    return vm;
}

Attached::Attached(const launch::VmState& vm) : context_(std::make_unique<boost::asio::io_context>(1)) {
    const auto condition = vm.condition();
    if (condition == launch::Condition::Stopped) throw not_running(vm);
    if (condition == launch::Condition::Starting)
        throw Error(
            ExitCode::NoSuchVm, vm.name() + " is still starting",
            "`qvm status " + vm.name() + "` tells when it runs; `qvm kill " + vm.name() + "` ends it");
    orphaned_ = condition == launch::Condition::Orphaned;
    const auto socket = vm.socket(orphaned_ ? launch::monitor_socket : "qmp.sock");
    client_ = std::make_unique<qmp::Client>(qmp::Client::connect_unix(*context_, socket.string()));
    qmp::run(*context_, negotiate(*client_));
}

Attached::Attached(const std::string& socket) : context_(std::make_unique<boost::asio::io_context>(1)) {
    client_ = std::make_unique<qmp::Client>(qmp::Client::connect_unix(*context_, socket));
    qmp::run(*context_, negotiate(*client_));
}

Json Attached::execute(const std::string& command, const Json& arguments,
                       std::chrono::milliseconds deadline) {
    qmp::ExecuteOptions options;
    options.deadline = deadline;
    return execute(command, arguments, options);
}

Json Attached::execute_with_fd(const std::string& command, const Json& arguments, int fd) {
    qmp::ExecuteOptions options;
    options.fd = fd;
    return execute(command, arguments, options);
}

Json Attached::execute(const std::string& command, const Json& arguments,
                       const qmp::ExecuteOptions& options) {
    Json result;
    context_->restart();
    qmp::run(*context_, execute_into(*client_, command, arguments, options, result));
    return result;
}

bool wait_until_stopped(const launch::VmState& vm, std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (vm.condition() != launch::Condition::Stopped) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    wait_for_last_processes(vm);
    return true;
}

Fd lock_when_settled(launch::VmState& vm, std::chrono::milliseconds timeout) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        Fd lock = vm.lock_operation(timeout);
        // An `up` holds the lock for as long as it starts a VM: with the lock in hand, only a spawner is at
        // it.
        if (vm.condition() != launch::Condition::Starting || std::chrono::steady_clock::now() > end)
            return lock;
        lock.reset();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

void remove_cgroup(const launch::VmState& vm) {
    if (const auto group = known_cgroup(vm)) jail::remove_cgroup(*group);
}

void tidy_up_after_end(launch::VmState& vm) {
    const auto is_there = [](const std::filesystem::path& directory) {
        std::error_code ignored;
        return std::filesystem::exists(directory, ignored);
    };
    const auto group = known_cgroup(vm);
    const bool has_group = group && std::ranges::any_of(group->directories, is_there);
    if (!has_group && !is_there(vm.runtime_directory())) return;
    const Fd lock = vm.lock_operation(std::chrono::seconds(5));
    // An `up` that waited for nobody may have begun the next life meanwhile.
    if (vm.condition() != launch::Condition::Stopped) return;
    remove_cgroup(vm);
    vm.remove_runtime();
}

void tidy_up_orphan(launch::VmState& vm, const std::string& how, const std::string& detail) {
    remove_cgroup(vm);
    if (auto applied = vm.applied()) {
        applied->phase = launch::Applied::Phase::Ended;
        applied->ended = Json::object();
        applied->ended["how"] = how;
        applied->ended["detail"] = detail;
        vm.write_applied(*applied);
    }
    vm.remove_runtime();
}

}  // namespace qvm::cli
