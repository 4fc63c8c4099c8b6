// SPDX-License-Identifier: GPL-3.0-or-later
// The way of clients of the attach socket to QEMU: what they may not have is refused, descriptors they pass
// are theirs, and block jobs write names into images that mean something outside.
#pragma once
#include <cstdint>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "launch/attach_fds.hpp"
#include "launch/state.hpp"
#include "qmp/client.hpp"
#include "qmp/server.hpp"

namespace qvm::launch {

/// Borrows all it is given.
class AttachGate {
  public:
    AttachGate(boost::asio::io_context& context, qmp::Client& monitor, const Applied& applied)
        : context_(context), monitor_(monitor), applied_(applied) {}
    AttachGate(const AttachGate&) = delete;
    AttachGate& operator=(const AttachGate&) = delete;

    /// A command for QEMU, if the file lets clients give it. Throws qmp::ExecuteError, qmp::InterruptedError.
    boost::asio::awaitable<Json> forward(qmp::Call call);
    /// Whether a client's control::watch turns the watching on. Throws qmp::ExecuteError where it may not
    /// watch, or says no such thing.
    bool wants_to_watch(const qmp::Call& call) const;
    bool may_watch() const;
    /// control::traffic
    static qmp::Event show(const qmp::Traffic& traffic);

    /// What it passed to QEMU, and nobody can name any more, is taken back.
    void gone(std::uint64_t client) { take_back(passed_fds_.gone(client)); }

    /// Whoever passed descriptors to a supervisor before this one has no connection any more.
    boost::asio::awaitable<void> forget_earlier_clients();

  private:
    boost::asio::awaitable<Json> name_images(std::string command, Json arguments);
    void take_back(const AttachFds::Leftovers& left);

    boost::asio::io_context& context_;
    qmp::Client& monitor_;
    const Applied& applied_;
    AttachFds passed_fds_;
};

}  // namespace qvm::launch
