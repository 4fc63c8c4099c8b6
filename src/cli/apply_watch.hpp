// SPDX-License-Identifier: GPL-3.0-or-later
// What a person does while an apply is at work: watches its steps, and presses Ctrl-C.
#pragma once
#include <memory>
#include <string>

#include "cli/attach.hpp"
#include "cli/terminal.hpp"
#include "launch/state.hpp"

namespace qvm::cli {

/// From construction on Ctrl-C does not end this process. Borrows `attached`, whose context it works on.
class ApplyWatch {
  public:
    ApplyWatch(Attached& attached, const launch::VmState& vm);
    ApplyWatch(const ApplyWatch&) = delete;
    ApplyWatch& operator=(const ApplyWatch&) = delete;
    ~ApplyWatch();

    /// Ctrl-C was pressed up to now, which has closed the connection. After this call the first Ctrl-C has
    /// the supervisor stop, and the second closes the connection. That ends the command under way.
    bool interrupted_before_sending();
    /// The connection was closed by Ctrl-C.
    bool left() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace qvm::cli
