// SPDX-License-Identifier: GPL-3.0-or-later
// [secret.X], and disks that are encrypted with it.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// Each [secret.X] becomes a [host.X.secret] of the kind secret, and an object secret that has its text.
void lower_secrets(Lowering& lowering);

/// Reports it unless exactly one of `file_key`, env and credential is there.
void check_secret(Lowering& lowering, const Item& secret, std::string_view file_key);

/// Makes `node`, of a disk in this format, an encrypted one, as the disk's `encrypt` says.
void encrypt(Lowering& lowering, const Item& disk, const std::string& format, Members& node);

}  // namespace qvm::config
