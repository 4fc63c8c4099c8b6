// SPDX-License-Identifier: GPL-3.0-or-later
// Passwords and keys: read on this host, sent to QEMU, and seen nowhere between.
#pragma once
#include <string>
#include <string_view>

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

/// True for object-add and set_password.
bool takes_secret(std::string_view command);

/// The arguments of such a command with the text that `fd` gives in place of its `data` or `password`. Throws
/// SystemError, and Error (HostCannot) when it cannot be a password.
Json with_secret(std::string_view command, Json arguments, int fd);

}  // namespace qvm::launch
