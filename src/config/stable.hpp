// SPDX-License-Identifier: GPL-3.0-or-later
// What the guest knows its machine by, made of names: the same at each start, on each host, for ever.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace qvm::config {

/// The MAC of a nic that was given none.
std::string stable_mac(std::string_view vm, std::string_view nic);

/// Of RFC 9562's version 8, which says nothing of how it was made.
std::string stable_uuid(std::string_view vm);

/// A vsock address, above those that people choose.
std::uint32_t stable_cid(std::string_view vm);

}  // namespace qvm::config
