// SPDX-License-Identifier: GPL-3.0-or-later
// A VM's file against what runs as that VM: what plan, apply and up have in common.
#pragma once
#include <memory>

#include "cli/front.hpp"
#include "launch/diff.hpp"
#include "launch/state.hpp"

namespace qvm::cli {

struct Comparison {
    launch::Applied applied;
    config::Vm running;
    launch::Compiled wanted;
    launch::Difference difference;

    launch::Side running_side() const { return {running, applied.compiled, nullptr}; }
    launch::Side wanted_side(const Front& front) const { return {front.vm, wanted, &front.document}; }
};

/// Checks the file with the running VM in mind, and compares. Nothing (of the difference) when the file has
/// errors: they are in front.diagnostics. Throws Error. `front` is freshly loaded.
Comparison compare(Front& front, launch::Applied applied);

/// True if the VM that `front` names runs, supervised, and belongs to its file.
bool runs(const Front& front, const launch::VmState& vm);

}  // namespace qvm::cli
