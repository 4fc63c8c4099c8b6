// SPDX-License-Identifier: GPL-3.0-or-later
// Turns a decided start into a supervised VM: in a process of its own, or in this one.
#pragma once
#include <functional>
#include <string>

#include "base/fd.hpp"
#include "launch/background.hpp"
#include "launch/start.hpp"
#include "launch/state.hpp"
#include "launch/supervisor.hpp"

namespace qvm::launch {

struct UpOrder {
    StartOrder start;
    Applied applied;     ///< what will be true once it runs
    Fd supervisor_lock;  ///< held until the supervisor ends
    Fd operation_lock;   ///< held until the VM runs or has failed
    Fd spawner_line;     ///< Life::line, of whoever starts it
    /// Descriptors that the caller's caller left open, which a supervisor in the background closes.
    std::vector<int> inherited;
};

/// Forks the supervisor (own session, no terminal, messages to supervisor.log) and returns when the VM runs
/// or has failed. The supervisor goes on if this process is killed meanwhile. Throws SystemError.
UpOutcome up_in_background(UpOrder order, const VmState& state, const DescribeFailure& describe,
                           const ReportProgress& progress);

/// Supervises in this process; `running` is called once the guest runs. Returns when the VM has ended.
/// SIGTERM and SIGINT stop the VM; the second one kills it. A VM with lifecycle.on-reboot = "restart" has a
/// process for each of its lives: this then returns in each, and `running` hears which. Throws what
/// start() throws.
Ending up_in_foreground(UpOrder order, const VmState& state, const ReportProgress& progress,
                        const std::function<void(unsigned restarts)>& running);

}  // namespace qvm::launch
