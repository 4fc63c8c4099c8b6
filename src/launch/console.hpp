// SPDX-License-Identifier: GPL-3.0-or-later
// The guest's console for several people at once: one connection to QEMU, any number of clients, a log.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"

namespace qvm::launch {

namespace net = boost::asio;

/// Reads what the guest writes, appends it to the log and gives it to every client; what clients type goes to
/// the guest in the order it comes. A new client first gets the last 64 KiB of the log. A client that does
/// not read (1 MiB behind) is dropped; a guest that does not read makes clients wait, not this program. The
/// protocol of the clients' socket is plain bytes.
class ConsoleRelay {
  public:
    struct Files {
        /// O_RDWR | O_APPEND. What is in it already, the guest wrote before: to an earlier relay.
        Fd log;
        Fd log_previous;  ///< O_RDWR; takes over the log's content when that exceeds 4 MiB
    };
    /// `qemu` is connected to the console's socket, `listener` is where clients connect.
    ConsoleRelay(net::io_context& context, Fd qemu, Fd listener, Files files);
    ConsoleRelay(const ConsoleRelay&) = delete;
    ConsoleRelay& operator=(const ConsoleRelay&) = delete;
    /// Closes all connections.
    ~ConsoleRelay();

    /// Takes what QEMU has left behind after its end, gives clients what they have not read as far as it goes
    /// without waiting, and closes them.
    void finish();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace qvm::launch
