// SPDX-License-Identifier: GPL-3.0-or-later
// Carries out the QMP part of a plan on a QEMU that has just been started.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/diagnostic.hpp"
#include "base/error.hpp"
#include "launch/host.hpp"
#include "launch/plan.hpp"
#include "qmp/client.hpp"

namespace qvm::launch {

/// A step of a plan failed. Carries what the user needs: the step in words and where in the file it comes
/// from.
class StepError : public Error {
  public:
    enum class Cause {
        Refused,   ///< QEMU answered with an error: `detail` is its text
        Gone,      ///< the connection ended: QEMU died, or nobody knows
        TimedOut,  ///< no answer, or no event, within the deadline
    };
    StepError(const Step& step, Cause cause, std::string detail);

    Cause cause() const { return cause_; }
    /// "device_add device.root"
    const std::string& step() const { return step_; }
    /// What QEMU's refusal means for the file's author; only for Cause::Refused.
    Diagnostic diagnostic() const;

  private:
    std::string step_;
    Cause cause_;
    std::string detail_;
    Origin origin_;
    std::string resource_;
};

/// Why a command failed.
struct CommandFailure {
    StepError::Cause cause = StepError::Cause::Refused;
    std::string detail;  ///< QEMU's text
    std::string error_class;
};

/// As a part of a sentence.
std::string to_string(const CommandFailure& failure);

/// Runs one command with the deadline that every step has; `fd` (-1: none) is borrowed. Nothing: it is done,
/// and `reply` (may be null) has its value.
qmp::net::awaitable<std::optional<CommandFailure>> try_command(qmp::Client& client, std::string command,
                                                               Json arguments, int fd, Json* reply = nullptr);

/// Does what a GrowStep says, by what QEMU says of the node's size.
qmp::net::awaitable<std::optional<CommandFailure>> grow_node(qmp::Client& client, std::string node,
                                                             std::uint64_t size);

/// "device_add device.root", "wait for RESUME": what messages and progress call a step.
std::string step_title(const Step& step);

/// Before each step: its index among all steps of the plan, and the plan.
using Progress = std::function<void(std::size_t index, const Plan& plan)>;

/// Runs the QmpSteps, GrowSteps and WaitSteps in order, each with a deadline. A step's descriptor is closed
/// here as soon as QEMU has its own (image locks live as long as any copy). A WaitStep waits for what
/// happened after the command before it was sent. Throws StepError at the first failure. `client`, `plan` and
/// `host` outlive the coroutine.
qmp::net::awaitable<void> run_steps(qmp::Client& client, const Plan& plan, HostResources& host,
                                    Progress progress);

}  // namespace qvm::launch
