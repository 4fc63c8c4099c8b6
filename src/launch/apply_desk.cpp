// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/apply_desk.hpp"

#include <filesystem>
#include <utility>
#include <vector>

#include "launch/control.hpp"

namespace qvm::launch {
namespace {

using boost::asio::awaitable;

struct Order {
    Operations operations;
    std::vector<std::filesystem::path> files;
    std::vector<std::string> overrides;
};

/// Throws qmp::ExecuteError.
Order order_in(const qmp::Call& call) {
    std::string wrong;
    Order order;
    try {
        order.operations = Operations::from_json(call.arguments.at("operations"));
        for (const auto& file : call.arguments.at("files")) order.files.emplace_back(file.get<std::string>());
        order.overrides = call.arguments.at("set").get<std::vector<std::string>>();
    } catch (const Json::exception& error) {
        wrong = error.what();
    }
    if (wrong.empty() && order.files.empty()) wrong = "it names no file";
    if (!wrong.empty()) throw qmp::ExecuteError(call.command, "GenericError", wrong);
    return order;
}

}  // namespace

awaitable<Json> ApplyDesk::pass_fd(qmp::Call call) {
    if (call.fds.size() != 1)
        throw qmp::ExecuteError(call.command, "GenericError", "exactly one descriptor comes with it");
    fds_[call.client.number][call.arguments.value("name", "")] = std::move(call.fds.front());
    co_return Json::object();
}

awaitable<Json> ApplyDesk::apply(qmp::Call call) {
    const auto refuse = [&](const std::string& why) {
        throw qmp::ExecuteError(call.command, "GenericError", why);
    };
    if (applier_.busy()) refuse("another apply is at work");
    if (call.arguments.value("generation", std::uint64_t{0}) != applied_.generation ||
        call.arguments.value("revision", std::uint64_t{0}) != applied_.revision)
        refuse("the VM has changed since the plan was made");
    Order order = order_in(call);
    const std::chrono::milliseconds patience(call.arguments.value("unplug-timeout-ms", std::int64_t{10'000}));
    ApplyWatcher watcher = [this, client = call.client.number](const ApplyStep& step) {
        send_(client, qmp::Event::now(control::apply_step, step.to_json()));
    };
    auto fds = std::exchange(fds_[call.client.number], {});
    fds_.erase(call.client.number);
    auto run = applier_.run(std::move(order.operations), std::move(fds), patience, std::move(watcher));
    const ApplyOutcome outcome = co_await std::move(run);
    if (outcome.failed.empty() && !outcome.cancelled) {
        applied_.origin = order.files.front();  // the project may have been moved
        applied_.files = std::move(order.files);
        applied_.overrides = std::move(order.overrides);
        try {
            write_();
        } catch (const Error&) {
            // It is done all the same; the next write has it.
        }
    }
    co_return outcome.to_json();
}

}  // namespace qvm::launch
