// SPDX-License-Identifier: GPL-3.0-or-later
// Starts a VM: host resources, jail, QEMU, the plan's commands, and the guest runs; or nothing is left
// behind.
#pragma once
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "config/resource.hpp"
#include "jail/cgroup.hpp"
#include "jail/spawn.hpp"
#include "launch/host.hpp"
#include "launch/plan.hpp"
#include "launch/runner.hpp"
#include "launch/state.hpp"
#include "qmp/client.hpp"

namespace qvm::launch {

/// All that is needed to start a VM, decided beforehand.
struct StartOrder {
    config::Vm vm;  ///< checked and placed
    Plan plan;
    std::filesystem::path binary;          ///< QEMU, absolute
    Fd vm_lock;                            ///< handed to the jail's pid 1
    std::optional<HostIds> host_ids;       ///< as root: whom QEMU and its helpers run as
    std::unique_ptr<jail::Cgroup> cgroup;  ///< for QEMU and its helpers; may be null
    jail::Filter filter;                   ///< filter_for() its file's jail
};

/// QEMU did not come up. Everything started for it has been ended.
class StartError : public Error {
  public:
    /// `findings`: what in the user's files QEMU objected to; may be empty.
    StartError(const std::string& what, std::vector<Diagnostic> findings, std::string advice);
    const std::vector<Diagnostic>& findings() const { return findings_; }

  private:
    std::vector<Diagnostic> findings_;
};

/// A VM that runs.
struct Started {
    std::unique_ptr<jail::Cgroup> cgroup;  ///< outlives its processes; may be null
    /// The move of QEMU to it, while that is under way: settle_in_cgroup() ends it.
    std::future<void> moving;
    std::unique_ptr<HostResources> host;  ///< helpers and sockets
    std::unique_ptr<jail::Child> qemu;
    std::unique_ptr<qmp::Client> monitor;  ///< negotiated
    qmp::Greeting greeting;
    Fd spawner_line;                      ///< Life::line
    std::vector<std::string> complaints;  ///< what is not as it should be, in sentences for the user
};

/// Waits until QEMU is in its cgroup, if there is one, and notes in its record what went wrong. Throws Error
/// (HostCannot) where all is required.
void settle_in_cgroup(Started& vm);

/// Called once the jail's first process exists, before QEMU does: from here on it must be findable.
using Spawned = std::function<void(const PidFd& stub, const HostResources& host)>;

/// Called when QEMU has been started and takes its time to get ready: what can be done meanwhile costs
/// nothing.
using Meanwhile = std::function<void(const Started& vm)>;

/// Does it. `state` has been created; QEMU's output goes to qemu.log there, its end to exit.json. Throws
/// Error: StartError for what QEMU objects to or dies of, jail::SetupError, SystemError for host resources.
qmp::net::awaitable<Started> start(qmp::net::io_context& context, StartOrder order, const VmState& state,
                                   Spawned spawned, Meanwhile meanwhile, Progress progress);

}  // namespace qvm::launch
