// SPDX-License-Identifier: GPL-3.0-or-later
// A connection that comes back: to one QMP socket, tried again for ever while it is gone.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <boost/asio/io_context.hpp>

#include "base/json_fwd.hpp"
#include "qmp/client.hpp"

namespace qvm::shell {

struct Target {
    std::string label;  ///< what the user calls it: a VM's name, the socket's path
    std::string path;   ///< of a Unix socket; or
    std::string host, port;
    /// None at all: a log that was loaded is looked at.
    bool offline = false;
    /// A guest agent listens there, not a QMP server.
    bool agent = false;
    /// What is known of why it is not there ("the guest powered off"), if anything; asked when a connection
    /// ends.
    std::function<std::string()> why_gone;
};

/// From `PATH` or `HOST:PORT` (a word with a slash, or that exists as a file, is a path). Throws Error.
Target target_of(const std::string& word, bool agent);

/// No server: a log is looked at. Throws Error when there is no such file.
Target target_of_log(const std::string& file);

enum class LinkState {
    Connecting,  ///< or waiting for the greeting
    Connected,
    Waiting,  ///< it failed, or ended; it is tried again soon
    Offline,  ///< there is no server
};

struct LinkHandler {
    /// The state is another one; what() says why.
    std::function<void()> changed;
    std::function<void(const qmp::Event&, const std::string& text)> event;
    /// Complaints without an id, stray replies, garbage.
    std::function<void(const std::string& sentence)> notice;
};

/// Belongs to the io_context's thread. Nothing is called after its destruction.
class Link {
  public:
    Link(boost::asio::io_context& context, Target target, LinkHandler handler);
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    Link(Link&&) = delete;
    Link& operator=(Link&&) = delete;
    ~Link();

    const Target& target() const;
    LinkState state() const;
    /// Why it is not connected, or "".
    const std::string& what() const;
    /// Of the present or last connection; an agent has none.
    const std::optional<qmp::Greeting>& greeting() const;
    /// While it is Waiting: how long until the next try; zero if that is at once.
    std::chrono::milliseconds next_try() const;
    /// Tries at once; a connection that is there is ended first.
    void reconnect();

    /// See qmp::Client::send. Throws qmp::StateError while it is not connected.
    std::string send(std::string command, const Json& arguments, bool oob, qmp::AnswerHandler answered);
    std::string send(Json message, qmp::AnswerHandler answered);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace qvm::shell
