// SPDX-License-Identifier: GPL-3.0-or-later
// From what the user wrote to what it means. Pure: looks at nothing but the document.
#pragma once
#include "base/diagnostic.hpp"
#include "config/document.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// Sugar becomes resources; settings get their values; names and ids are checked; relative paths become
/// absolute. Says everything that is wrong with the words of the language itself (unknown tables and keys,
/// types, sizes, ids, duplicate ids); what QEMU's schema must say is left to check().
Vm lower(const Document& document, Diagnostics& diagnostics);

}  // namespace qvm::config
