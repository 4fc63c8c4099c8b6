// SPDX-License-Identifier: GPL-3.0-or-later
// Where clients come in that QEMU in its jail cannot let in itself: qvm listens, and hands each over
// (add_client). Who is in stays in when the supervisor dies; who comes then is let in by the next one.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"
#include "config/resource.hpp"
#include "launch/compiled.hpp"
#include "launch/plan.hpp"
#include "qmp/client.hpp"

namespace qvm::launch {

/// A [host.X] socket with a protocol.
struct Door {
    HostStep step;
    std::string protocol;  ///< of add_client: "spice"
};

bool is_door(const config::Resource& resource);

/// Those of what runs.
std::vector<Door> doors_of(const Compiled& compiled);

class ClientDoor {
  public:
    /// Lets in who connects to `listener` until it is destroyed. `log` gets what goes wrong.
    ClientDoor(qmp::net::io_context& context, qmp::Client& monitor, Fd listener, const Door& door,
               std::function<void(const std::string&)> log);
    ClientDoor(const ClientDoor&) = delete;
    ClientDoor& operator=(const ClientDoor&) = delete;
    ~ClientDoor();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace qvm::launch
