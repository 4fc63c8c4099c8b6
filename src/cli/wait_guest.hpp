// SPDX-License-Identifier: GPL-3.0-or-later
// Waiting until a guest has come as far as one can talk to it.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "config/resource.hpp"
#include "launch/state.hpp"

namespace qvm::cli {

/// By which a guest tells that it is there. ssh: its SSH server greets at the forward to its port 22, or by
/// vsock; agent: qemu-ga answers; console: something was printed there.
class GuestSign {
  public:
    /// "ssh", "agent", "console".
    static const std::vector<std::string>& names();
    /// The one of that name, or (empty) the first that the VM has, which may be started later: `made` is what
    /// its file says. Throws Error (Usage) where it has none. Borrows `vm`.
    static GuestSign of(const launch::VmState& vm, const config::Vm& made, const std::string& name);

    /// Waits for it, with a progress line. Returns a sentence on what came. Throws Error: TimedOut after
    /// `timeout` (the VM runs on), VmDied when it has ended.
    std::string wait(std::chrono::milliseconds timeout) const;

  private:
    GuestSign(const launch::VmState& vm, std::string name, std::string came, std::function<bool()> is_there)
        : vm_(vm), name_(std::move(name)), came_(std::move(came)), is_there_(std::move(is_there)) {}
    static std::vector<GuestSign> all_of(const launch::VmState& vm, const config::Vm& made);

    const launch::VmState& vm_;
    std::string name_, came_;
    std::function<bool()> is_there_;
};

}  // namespace qvm::cli
