// SPDX-License-Identifier: GPL-3.0-or-later
// Passwords and keys: read on this host, sent to QEMU, and seen nowhere between.
#pragma once
#include <string>

#include "base/fd.hpp"
#include "base/json.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// More is no password and no key.
inline constexpr std::size_t longest_secret = 65536;

/// "'/etc/key'", "$KEY", "the credential 'key'".
std::string source_of(const ReadSecret& secret);

/// A file in memory, read from its beginning. Throws SystemError or Error (HostCannot) that names where it
/// should have come from.
Fd read_secret(const ReadSecret& secret);

/// Of object-add, with the text that `fd` gives in place of `data`. Throws SystemError.
Json with_secret(Json arguments, int fd);

}  // namespace qvm::launch
