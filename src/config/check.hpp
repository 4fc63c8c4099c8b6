// SPDX-License-Identifier: GPL-3.0-or-later
// Does the VM fit the QEMU that will run it? Pure: the schema and the types are data.
#pragma once
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::config {

/// The types whose properties check() will ask Capabilities for: devices, the machine, the CPU model's type.
/// Unknown ones are left out.
std::vector<std::string> types_needed(const Vm& vm, const qapi::Capabilities& qemu);

/// Fills Resource::arguments, Resource::references, Machine/Cpu::checked_properties and
/// NamedTable::arguments; reports all that QEMU's introspection can tell is wrong, and what QEMU itself lets
/// pass (duplicate bootindex, serial, MAC, an image twice read-write, a full port). Sorts Vm::resources so
/// that each comes after what it refers to; a cycle is a diagnostic.
void check(Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics);

}  // namespace qvm::config
