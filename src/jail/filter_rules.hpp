// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of filters that others build upon.
#pragma once
#include "jail/filter.hpp"

namespace qvm::jail {

/// All of qemu_filter().
void add_qemu_rules(FilterBuilder& filter, int exec_fd, const FilterOptions& options = {});

}  // namespace qvm::jail
