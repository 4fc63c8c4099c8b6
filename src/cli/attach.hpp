// SPDX-License-Identifier: GPL-3.0-or-later
// A verb's connection to a running VM: through its supervisor, a new one when that has died, or straight to
// QEMU.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/json.hpp"
#include "launch/state.hpp"
#include "qmp/client.hpp"

namespace qvm::cli {

/// Gives an orphan a new supervisor and tells the user so, in these words; does nothing for any other VM, or
/// where the start of this one was interrupted. Throws what launch::adopt() throws.
void adopt_orphan(launch::VmState& vm,
                  const std::string& notice = "its supervisor had died; it has a new one");

/// find_vm(), and adopt_orphan().
launch::VmState find_supervised_vm(const std::string& word);

class Attached {
  public:
    /// Connects and negotiates. Throws Error (NoSuchVm) when the VM is not running, qmp::ConnectError.
    explicit Attached(const launch::VmState& vm);
    /// The same with any QMP socket, of a VM of qvm's or not.
    explicit Attached(const std::string& socket);

    /// True when it has no supervisor: the connection is to QEMU's own monitor, qvm's verbs are not there.
    bool orphaned() const { return orphaned_; }
    /// Runs one command to its end. Throws as qmp::Client::execute does.
    Json execute(const std::string& command, const Json& arguments,
                 std::chrono::milliseconds deadline = std::chrono::seconds(30));

    /// The same, with a descriptor, which is borrowed.
    Json execute_with_fd(const std::string& command, const Json& arguments, int fd);

    boost::asio::io_context& context() { return *context_; }
    qmp::Client& client() { return *client_; }

  private:
    Json execute(const std::string& command, const Json& arguments, const qmp::ExecuteOptions& options);

    std::unique_ptr<boost::asio::io_context> context_;
    std::unique_ptr<qmp::Client> client_;
    bool orphaned_ = false;
};

/// Waits until the VM's last process has ended and its supervisor has tidied up, at most `deadline`; true if
/// so.
bool wait_until_stopped(const launch::VmState& vm, std::chrono::milliseconds deadline);

/// VmState::lock_operation, but when the VM is just being started again after its guest's reboot, that goes
/// first.
Fd lock_when_settled(launch::VmState& vm, std::chrono::milliseconds timeout);

/// Removes the cgroup of a VM that has ended. Whoever calls it holds the operation lock.
void remove_cgroup(const launch::VmState& vm);

/// Removes cgroup and runtime directory of a VM that may have ended without a supervisor; takes the lock only
/// if something of them is left.
void tidy_up_after_end(launch::VmState& vm);

/// After the end of an orphan, nobody else writes down how it ended and removes its runtime directory.
void tidy_up_orphan(launch::VmState& vm, const std::string& how, const std::string& detail);

}  // namespace qvm::cli
