// SPDX-License-Identifier: GPL-3.0-or-later
// What a supervisor says about its VM, on its standard error: a log file in the background, the terminal in
// front.
#pragma once
#include <chrono>
#include <string>

#include "launch/capped_log.hpp"
#include "launch/state.hpp"
#include "qmp/message.hpp"

namespace qvm::launch {

class VmJournal {
  public:
    explicit VmJournal(const VmState& state);
    /// With the time before it.
    void line(const std::string& text);
    /// A guest decides how many events there are: beyond some a second they are only counted.
    void event(const qmp::Event& event);

  private:
    CappedLog log_;
    std::chrono::steady_clock::time_point second_{};
    unsigned events_ = 0;
};

}  // namespace qvm::launch
