// SPDX-License-Identifier: GPL-3.0-or-later
// Ends a running VM: politely, then firmly, then at once.
#pragma once
#include <chrono>
#include <functional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/fd.hpp"
#include "qmp/client.hpp"

namespace qvm::launch {

enum class ShutdownWay {
    Guest,        ///< the guest powered off after system_powerdown
    Quit,         ///< it did not in time: QEMU ended by `quit`
    QuitUnasked,  ///< there was no guest to ask, as before the start: QEMU ended by `quit`
    Killed,       ///< QEMU did not answer: killed
};

/// "the guest powered off", "the guest did not power off within 30s; QEMU was told to quit", ...
std::string describe(ShutdownWay way, std::chrono::milliseconds timeout);

/// Resumes a paused guest (it could not react), presses the power button and presses it again every few
/// seconds; after `timeout` tells QEMU to quit, and kills the jail's pid 1 when that does not end it within
/// five seconds. Returns when the process has ended. `client` is negotiated; both outlive the coroutine.
qmp::net::awaitable<ShutdownWay> shut_down(qmp::Client& client, const PidFd& stub,
                                           std::chrono::milliseconds timeout);

}  // namespace qvm::launch
