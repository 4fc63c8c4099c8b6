// SPDX-License-Identifier: GPL-3.0-or-later
// Connections to a guest by vsock(7).
#pragma once
#include <cstdint>

#include "base/fd.hpp"

namespace qvm {

/// A connected stream socket, close-on-exec. Throws SystemError naming the address; also (ETIMEDOUT) when the
/// guest has not answered within the kernel's two seconds, and (ECONNRESET) when nobody listens there.
Fd connect_vsock(std::uint32_t cid, std::uint32_t port);

}  // namespace qvm
