// SPDX-License-Identifier: GPL-3.0-or-later
// One command of lifecycle.hooks as a process, which the spawner waits for.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "launch/hooks.hpp"
#include "launch/spawner.hpp"

namespace qvm::launch {

class HookProcess {
  public:
    /// Starts it: a process group of its own, no input, and the output of its caller; it ends with its
    /// caller. Throws SystemError.
    HookProcess(const SpawnerOrder& spawner, const HookCommand& command, const HookOrder& order);
    HookProcess(const HookProcess&) = delete;
    HookProcess& operator=(const HookProcess&) = delete;
    /// Kills it, and all of its group, if it runs still.
    ~HookProcess();

    config::HookEvent event() const { return event_; }
    /// Its pidfd, borrowed.
    int fd() const { return process_.get(); }
    /// Of its time, 0 when that is over.
    int milliseconds_left() const;
    /// Why it failed, "" if it did not; nothing while it runs and has time left. Kills it when that is over.
    std::optional<std::string> outcome();

  private:
    config::HookEvent event_;
    PidFd process_;
    std::chrono::steady_clock::time_point end_;
};

}  // namespace qvm::launch
