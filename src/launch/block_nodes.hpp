// SPDX-License-Identifier: GPL-3.0-or-later
// Block nodes as a VM's file has them: a child is written in its place or named, and a name may be that of a
// node inside another one. Pure.
#pragma once
#include <string>

#include "config/resource.hpp"

namespace qvm::launch {

/// Null if there is none.
const config::Value* find_node(const config::Vm& vm, const std::string& name);

/// The table of a child (null: none); null if there is no such node.
const config::Table* child_of(const config::Vm& vm, const config::Value* child);

/// The path of the plain file that a node is on; null if it is on none.
const config::Value* filename_of(const config::Vm& vm, const config::Table& node);

}  // namespace qvm::launch
