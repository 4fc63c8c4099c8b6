// SPDX-License-Identifier: GPL-3.0-or-later
// What the guest is asked to keep of its memory. Pure.
#pragma once
#include <cstdint>
#include <optional>

#include "config/resource.hpp"

namespace qvm::config {

/// QMP's command that asks for it; `value` is in bytes, and what is more than all is all.
inline constexpr const char* balloon_command = "balloon";

/// Is it that command?
bool tells_balloon(const StartCommand& command);

/// The size that the last such command of the file says, in bytes; nothing: all.
std::optional<std::int64_t> balloon_size(const Vm& vm);

/// The device that does it; QEMU has at most one. Null where there is none.
const Resource* balloon_device(const Vm& vm);

}  // namespace qvm::config
