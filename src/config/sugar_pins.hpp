// SPDX-License-Identifier: GPL-3.0-or-later
// cpus.pin and numa.N.pin: which CPUs of the host run which of the guest.
#pragma once
#include <string_view>
#include <vector>

#include "config/lowering.hpp"

namespace qvm::config {

/// In a list: this CPU of the guest runs anywhere.
inline constexpr std::string_view anywhere = "any";

/// `said` of a table's key pin, for the CPUs `guests`: one list of CPUs of the host for all of them, or as
/// many lists as there are. What is wrong is reported.
void lower_pin(Lowering& lowering, std::string_view where, const Value& said,
               const std::vector<unsigned>& guests);

/// Those of [cpus]; Vm::smp is known.
void lower_pins(Lowering& lowering);

}  // namespace qvm::config
