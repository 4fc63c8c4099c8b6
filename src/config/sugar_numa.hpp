// SPDX-License-Identifier: GPL-3.0-or-later
// [numa.N]: the guest's nodes, of processors and memory that are near each other.
#pragma once
#include <cstdint>
#include <optional>

#include "config/lowering.hpp"

namespace qvm::config {

/// All memory of the nodes, and where it was said; nothing where no node has any.
std::optional<Setting<std::uint64_t>> memory_of_nodes(const Lowering& lowering);

/// Objects numaN and [[option.numa]]; Vm::smp and Vm::memory are known.
void lower_numa(Lowering& lowering);

}  // namespace qvm::config
