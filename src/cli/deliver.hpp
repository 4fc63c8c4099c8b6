// SPDX-License-Identifier: GPL-3.0-or-later
// An apply on its way: what it needs is opened with the caller's rights, the supervisor carries it out, and
// whoever waits sees the steps and may stop it.
#pragma once
#include <chrono>

#include "cli/attach.hpp"
#include "cli/compare.hpp"
#include "cli/front.hpp"
#include "launch/applier.hpp"
#include "launch/state.hpp"

namespace qvm::cli {

struct Delivery {
    bool replug = false;
    std::chrono::milliseconds unplug_patience{10'000};
};

/// Has the difference carried out. From here on the first Ctrl-C tells the supervisor to stop
/// (Applier::cancel), or, when nothing was sent yet, sends nothing: ApplyOutcome::cancelled. The second one
/// leaves. Throws Error: OutcomeUnknown when we left or the supervisor went away, VmDied.
launch::ApplyOutcome deliver(const Front& front, const Comparison& comparison, const launch::VmState& vm,
                             Attached& attached, const Delivery& delivery);

}  // namespace qvm::cli
