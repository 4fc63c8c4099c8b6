// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/runner.hpp"

#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/text.hpp"
#include "launch/secret.hpp"

namespace qvm::launch {
namespace {

/// Long enough for a device_add on a loaded machine, short enough that a wedged QEMU (a vhost-user backend
/// without a peer blocks it for ever) is noticed.
constexpr std::chrono::seconds command_deadline{30};

std::string message_of(const std::string& step, StepError::Cause cause, const std::string& detail) {
    switch (cause) {
        case StepError::Cause::Refused:
            return fmt::format("QEMU refused {}: {}", step, detail);
        case StepError::Cause::Gone:
            return fmt::format("QEMU went away during {}", step);
        case StepError::Cause::TimedOut:
            return fmt::format("QEMU did not finish {} in time", step);
    }
    return step;
}

}  // namespace

std::string to_string(const CommandFailure& failure) {
    switch (failure.cause) {
        case StepError::Cause::Refused:
            return failure.detail;
        case StepError::Cause::Gone:
            return "QEMU went away";
        case StepError::Cause::TimedOut:
            return "QEMU did not answer in time";
    }
    return failure.detail;
}

StepError::StepError(const Step& step, Cause cause, std::string detail)
    : Error(ExitCode::RolledBack, message_of(step_title(step), cause, detail)),
      step_(step_title(step)),
      cause_(cause),
      detail_(std::move(detail)),
      origin_(step.origin),
      resource_(step.resource.id.empty() ? std::string() : step.resource.to_string()) {}

Diagnostic StepError::diagnostic() const {
    Diagnostic d{DiagnosticKind::QemuRefused, origin_, what(), {}, {}};
    if (!resource_.empty()) d.notes.push_back("in " + resource_);
    return d;
}

std::string step_title(const Step& step) {
    const auto subject = step.resource.id.empty() ? std::string() : ' ' + step.resource.to_string();
    if (const auto* qmp = std::get_if<QmpStep>(&step.action)) return qmp->command + subject;
    if (std::holds_alternative<GrowStep>(step.action)) return "block_resize" + subject;
    if (const auto* wait = std::get_if<WaitStep>(&step.action)) return "wait for " + wait->event;
    if (const auto* host = std::get_if<HostStep>(&step.action)) {
        if (const auto* socket = std::get_if<PlaceSocket>(&host->action))
            return fmt::format("wait for a connection to '{}'", socket->path.string());
        return "open " + host->name;
    }
    return "start of QEMU";
}

qmp::net::awaitable<std::optional<CommandFailure>> try_command(qmp::Client& client, std::string command,
                                                               Json arguments, int fd, Json* reply) {
    qmp::ExecuteOptions options;
    options.deadline = command_deadline;
    options.fd = fd;
    // A coroutine may not hold an exception over a suspension.
    std::optional<CommandFailure> failure;
    try {
        if (fd >= 0 && takes_secret(command)) {
            arguments = with_secret(command, std::move(arguments), fd);
            options.fd = -1;
        }
        auto execution = client.execute(std::move(command), std::move(arguments), options);
        Json value = co_await std::move(execution);
        if (reply != nullptr) *reply = std::move(value);
    } catch (const qmp::ExecuteError& error) {
        failure = CommandFailure{StepError::Cause::Refused, error.description(), error.error_class()};
    } catch (const qmp::InterruptedError& error) {
        const bool late = error.why() == qmp::InterruptedError::Why::DeadlinePassed;
        failure = CommandFailure{late ? StepError::Cause::TimedOut : StepError::Cause::Gone, {}, {}};
    } catch (const qmp::StateError&) {
        failure = CommandFailure{StepError::Cause::Gone, {}, {}};
    }
    co_return failure;
}

qmp::net::awaitable<std::optional<CommandFailure>> grow_node(qmp::Client& client, std::string node,
                                                             std::uint64_t size) {
    Json nodes;
    auto asked = try_command(client, "query-named-block-nodes", {{"flat", true}}, -1, &nodes);
    auto failure = co_await std::move(asked);
    if (failure) co_return failure;
    std::uint64_t is = 0;
    for (const auto& entry : nodes)
        if (entry.value("node-name", "") == node && entry.contains("image"))
            is = entry.at("image").value("virtual-size", std::uint64_t{0});
    if (is == size) co_return std::nullopt;
    if (is > size)
        co_return CommandFailure{
            StepError::Cause::Refused,
            fmt::format("it has {} already, which is more than {}: a disk is never shrunk", format_size(is),
                        format_size(size)),
            {}};
    auto done = try_command(client, "block_resize", {{"node-name", node}, {"size", size}}, -1);
    co_return co_await std::move(done);
}

qmp::net::awaitable<void> run_steps(qmp::Client& client, const Plan& plan, HostResources& host,
                                    Progress progress) {
    std::optional<qmp::EventQueue> events;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const Step& step = plan.steps[i];
        if (const auto* command = std::get_if<QmpStep>(&step.action)) {
            progress(i, plan);
            // Listen before asking: the event may come before the reply.
            const auto* wait =
                i + 1 < plan.steps.size() ? std::get_if<WaitStep>(&plan.steps[i + 1].action) : nullptr;
            events.reset();
            if (wait != nullptr)
                events.emplace(
                    client.subscribe([name = wait->event](const qmp::Event& e) { return e.name == name; }));
            const int fd = command->fd.empty() ? -1 : host.fd(command->fd);
            auto done = try_command(client, command->command, command->arguments, fd);
            const auto failure = co_await std::move(done);
            if (fd >= 0) host.close(command->fd);
            if (failure) throw StepError(step, failure->cause, failure->detail);
        } else if (const auto* growth = std::get_if<GrowStep>(&step.action)) {
            progress(i, plan);
            auto done = grow_node(client, growth->node, growth->size);
            const auto failure = co_await std::move(done);
            if (failure) throw StepError(step, failure->cause, failure->detail);
        } else if (const auto* wait = std::get_if<WaitStep>(&step.action)) {
            progress(i, plan);
            if (!events) continue;
            auto next = events->next(wait->deadline);
            const auto event = co_await std::move(next);
            if (!event) {
                const bool gone = events->ended();
                throw StepError(step, gone ? StepError::Cause::Gone : StepError::Cause::TimedOut, {});
            }
        }
    }
}

}  // namespace qvm::launch
