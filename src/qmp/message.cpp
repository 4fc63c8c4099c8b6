// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/message.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace qvm::qmp {
namespace {

std::string describe(const std::string& command, InterruptedError::Why why) {
    switch (why) {
        case InterruptedError::Why::Disconnected:
            return fmt::format("the connection ended before '{}' was answered: nobody knows whether it ran",
                               command);
        case InterruptedError::Why::DeadlinePassed:
            return fmt::format("no answer to '{}' in time: it may still run", command);
        case InterruptedError::Why::Abandoned:
            return fmt::format("'{}' was given up before its answer came: it may still run", command);
    }
    return command;
}

ExitCode exit_code_of(InterruptedError::Why why) {
    return why == InterruptedError::Why::DeadlinePassed ? ExitCode::TimedOut : ExitCode::OutcomeUnknown;
}

}  // namespace

Json Greeting::to_json() const {
    Json qemu = Json::object();
    qemu["micro"] = micro;
    qemu["minor"] = minor;
    qemu["major"] = major;
    Json offered = Json::array();
    for (const auto& capability : capabilities) offered.push_back(capability);
    Json content = Json::object();
    content["version"]["qemu"] = std::move(qemu);
    content["version"]["package"] = package;
    content["capabilities"] = std::move(offered);
    Json message = Json::object();
    message["QMP"] = std::move(content);
    return message;
}

Event Event::now(std::string name, Json data) {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(since);
    return {std::move(name), std::move(data), whole.count(),
            std::chrono::duration_cast<std::chrono::microseconds>(since - whole).count()};
}

Json Event::to_json() const {
    Json message = Json::object();
    message["timestamp"]["seconds"] = seconds;
    message["timestamp"]["microseconds"] = microseconds;
    message["event"] = name;
    if (!data.empty()) message["data"] = data;
    return message;
}

ExecuteError::ExecuteError(std::string command, std::string error_class, std::string description)
    : Error(ExitCode::Usage, fmt::format("'{}' failed: {}", command, description)),
      command_(std::move(command)),
      error_class_(std::move(error_class)),
      description_(std::move(description)) {}

InterruptedError::InterruptedError(std::string command, Why why)
    : Error(exit_code_of(why), describe(command, why)), command_(std::move(command)), why_(why) {}

}  // namespace qvm::qmp
