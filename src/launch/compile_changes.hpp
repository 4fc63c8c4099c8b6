// SPDX-License-Identifier: GPL-3.0-or-later
// From a difference to what a supervisor does about it. Pure and deterministic.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "jail/cgroup.hpp"
#include "launch/diff.hpp"
#include "launch/operation.hpp"
#include "launch/plan.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// The fdsets of a running QEMU, by what they were opened for (query-fdsets: `opaque`).
struct ObservedFdsets {
    std::map<std::string, int> by_name;
    int next = 1;  ///< the first number that is free

    /// From the reply of query-fdsets. Sets of clients of the attach socket are none of ours.
    static ObservedFdsets from_reply(const Json& reply);
};

/// Of the VM's cgroup: what is in force, and all that the wanted VM is to have.
struct LimitsChange {
    jail::CgroupLimits now, wanted;
};

struct ChangePlan {
    std::vector<HostStep> host;  ///< to be opened before anything is sent
    /// What only an undo needs: a plan goes on without it.
    std::vector<HostStep> host_for_undo;
    Operations operations;
};

/// Without `replug`, what needs one is left out.
ChangePlan compile_changes(const Side& running, const Side& wanted, const Difference& difference,
                           const qapi::Capabilities& qemu, const ObservedFdsets& fdsets, bool replug,
                           const LimitsChange& limits = {});

}  // namespace qvm::launch
