// SPDX-License-Identifier: GPL-3.0-or-later
// A VM's file against what runs as that VM: what plan, apply and up have in common.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>

#include "cli/attach.hpp"
#include "cli/front.hpp"
#include "launch/diff.hpp"
#include "launch/drift.hpp"
#include "launch/state.hpp"

namespace qvm::cli {

struct Comparison {
    launch::Applied applied;
    config::Vm running;
    launch::Compiled wanted;
    launch::Difference difference;
    launch::Drift drift;
    std::map<config::ResourceId, std::string> broken;  ///< as launch::Side has it

    launch::Side running_side() const;
    launch::Side wanted_side(const Front& front) const { return {front.vm, wanted, &front.document, {}, {}}; }
};

/// Checks the file with the running VM in mind, and compares. Nothing (of the difference) when the file has
/// errors: they are in front.diagnostics. Throws Error. `front` is freshly loaded. `observed`: what QEMU says
/// it has, to be compared, too; with `fix_drift` what is missing there counts as not
/// running, and helpers that have ended are to be made anew.
Comparison compare(Front& front, launch::Applied applied,
                   const std::optional<launch::Observed>& observed = std::nullopt, bool fix_drift = false);

/// Of the USB devices of this host that a VM was made with (`running`), the ids of those that were unplugged
/// from it: as the host says, and as QEMU does, which notices when its guest uses one.
std::set<std::string> unplugged_devices(Attached& attached, const launch::Compiled& running);

/// Asks a running QEMU, and its supervisor.
launch::Observed observe(Attached& attached, const launch::Compiled& running);
/// A warning for each difference between what was made and what is there.
void warn_of_drift(const launch::Drift& drift, const std::string& name, bool fix_drift);

/// True if the VM that `front` names runs, supervised, and belongs to its file.
bool runs(const Front& front, const launch::VmState& vm);

}  // namespace qvm::cli
