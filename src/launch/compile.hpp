// SPDX-License-Identifier: GPL-3.0-or-later
// From a checked VM to the plan that starts it. Pure and deterministic.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/resource.hpp"
#include "launch/plan.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// `vm` has been placed (placement.hpp) and checked without errors; `accel` is the accelerator to use.
Plan compile(const config::Vm& vm, const qapi::Capabilities& qemu, const std::string& accel);

/// What a running QEMU has already.
struct FdsetsInUse {
    int next = 1;                      ///< the first number that is free
    std::map<std::string, int> named;  ///< sets that may be used again, by HostStep::name
};

/// The steps that add `which` of the resources to a QEMU that runs: those of the host, then commands in the
/// order of Vm::resources, each with the resource it is for.
std::vector<Step> compile_additions(const config::Vm& vm, const qapi::Capabilities& qemu,
                                    const std::set<config::ResourceId>& which, const FdsetsInUse& fdsets);

}  // namespace qvm::launch
