// SPDX-License-Identifier: GPL-3.0-or-later
// Domains of libvirt as files of the language. Source: libvirt's "Domain XML format".
#pragma once
#include <string>

#include "config/import.hpp"

namespace qvm::config {

/// `xml`: what `virsh dumpxml` prints. Nothing is looked up on this host, and no QEMU is asked. What has no
/// translation is a warning, every attribute of it. Throws Error (Invalid) for what is no domain of QEMU's,
/// and for text that is no XML, with its line and column.
Import import_libvirt(const std::string& xml);

}  // namespace qvm::config
