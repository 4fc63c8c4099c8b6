// SPDX-License-Identifier: GPL-3.0-or-later
// The process that owns one running VM: it serves the attach socket and the console, keeps the state true,
// and stays until the VM ends. It only routes; what is decided is decided elsewhere.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"
#include "launch/ending.hpp"
#include "launch/start.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// Gives up, for good, what this process has no use for once QEMU has been started (jail/harden.hpp): from
/// here on it speaks with QEMU, and opens what is in the VM's own two directories. Throws jail::SetupError.
void harden_supervisor(const Started& vm, const VmState& state);

class Supervisor {
  public:
    /// `applied` is completed (phase, processes) and written. The attach socket and the console are open when
    /// the constructor returns. Throws SystemError.
    Supervisor(qmp::net::io_context& context, Started vm, VmState state, Applied applied);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    ~Supervisor();

    /// After a supervisor that died: see Applier::resume(). Returns sentences for the user.
    qmp::net::awaitable<std::vector<std::string>> resume();
    /// Serves until the VM has ended; then state and runtime directory tell so.
    qmp::net::awaitable<Ending> serve();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qvm::launch
