// SPDX-License-Identifier: GPL-3.0-or-later
// From a checked VM to the plan that starts it. Pure and deterministic.
#pragma once
#include <string>

#include "config/resource.hpp"
#include "launch/plan.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// `vm` has been placed (placement.hpp) and checked without errors; `accel` is the accelerator to use.
Plan compile(const config::Vm& vm, const qapi::Capabilities& qemu, const std::string& accel);

}  // namespace qvm::launch
