// SPDX-License-Identifier: GPL-3.0-or-later
// Everything about a Spec that can be refused before anything is done.
#pragma once
#include "jail/spec.hpp"

namespace qvm::jail {

/// Throws SetupError with the first fault; its stage is "check".
void check_spec(const Spec& spec);

}  // namespace qvm::jail
