// SPDX-License-Identifier: GPL-3.0-or-later
// How a VM's life ended. Pure.
#pragma once
#include <optional>
#include <string>

#include "base/json.hpp"
#include "qmp/message.hpp"

namespace qvm::launch {

/// As Applied::ended keeps it.
struct Ending {
    /// "guest" (it powered off), "stopped" (qvm stop: `detail` says how), "killed" (qvm kill), "quit" (a QMP
    /// client), "restart" (the guest rebooted or a helper died, and the spawner is to start it again),
    /// "died". Not the end of a life: "left" (to another supervisor).
    std::string how;
    std::string detail;
    /// Of the supervisor's process.
    int exit_status() const;
    /// {how, detail}
    Json to_json() const;
};

/// What a SHUTDOWN says of how the VM ends, or nothing where its end will tell. `restarts`: a reboot that
/// ends QEMU is to start it again.
std::optional<Ending> ending_of(const qmp::Event& shutdown, bool restarts);

}  // namespace qvm::launch
