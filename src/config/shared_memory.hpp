// SPDX-License-Identifier: GPL-3.0-or-later
// What another process of the host serves by vhost-user, it serves in the guest's own memory: that has to be
// of a kind that QEMU can share.
#pragma once
#include <string>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Says `share = true` of memory where a table of sugar is served by vhost-user, and nothing is said of it.
/// Its origin is that of the key that asks for it. `root`: all of a file, its short forms expanded.
void share_memory_where_needed(Table& root);

/// The chardev by which QEMU reaches the process that serves this netdev, device or object; empty when it is
/// not of vhost-user, or names none.
std::string vhost_user_chardev(const Resource& resource);

/// Is it a socket on which QEMU listens?
bool listens(const Resource& chardev);

/// Does QEMU listen for the process that serves this netdev?
bool waits_for_peer(const Resource& netdev, const Vm& vm);

/// Is all memory of the start shared?
bool shares_memory(const Vm& vm);

/// Reports what is of vhost-user where it cannot work: without shared memory, and on a chardev that is no
/// connection to a Unix socket. With these QEMU would refuse it, or wait for ever.
void check_vhost_user(const Vm& vm, Diagnostics& diagnostics);

}  // namespace qvm::config
