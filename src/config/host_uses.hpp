// SPDX-License-Identifier: GPL-3.0-or-later
// Which members of QEMU's resources name files or descriptors of this host, and how each gets into a jail
// that has no host path. One table of rows; see qvm.toml(5), PATHS.
#pragma once
#include "base/diagnostic.hpp"
#include "config/document.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Fills host_uses of every resource, of the machine and of the options; makes relative paths absolute
/// (relative to the file that says them); reports a member that holds a path but has no way in (path-in-jail,
/// unless jail.mode = "off"), and an "@X" that names no [host.X] or is in a member that takes no descriptor
/// (bad-ref, wrong-ref-type). Access of a blockdev's file follows the node's own `read-only`, else its
/// parent's; backing files are read-only. A second call changes nothing.
void find_host_uses(Vm& vm, const Document& document, Diagnostics& diagnostics);

/// How many descriptors a [host.X] is: one for each queue of a tap.
unsigned descriptors_of(const Resource& host);

}  // namespace qvm::config
