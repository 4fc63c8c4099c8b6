// SPDX-License-Identifier: GPL-3.0-or-later
// A QMP connection for coroutines. One thread: everything here belongs to the io_context it was made with.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"
#include "qmp/message.hpp"
#include "qmp/subscription.hpp"

namespace qvm::qmp {

namespace net = boost::asio;

enum class Runstate { Idle, Connecting, Running, Disconnected };

struct ExecuteOptions {
    /// After this the caller gets InterruptedError{DeadlinePassed}; the late reply is swallowed when it
    /// comes.
    std::chrono::milliseconds deadline{30'000};
    /// Sent with the command by SCM_RIGHTS, borrowed: the caller closes it after the reply. -1: none. QEMU
    /// takes one descriptor a command (getfd, add-fd).
    int fd = -1;
    /// Out of band: overtakes what is under way. Only for commands that allow it, on a connection that has
    /// it.
    bool oob = false;
};

/// How a command ended, for who keeps what travelled.
struct Answer {
    std::variant<Json, ErrorReply, InterruptedError::Why> outcome;
    std::string text;  ///< the reply as it came; empty when none did
};
/// Called once, from the io_context, never from within the call that it was given to.
using AnswerHandler = std::function<void(Answer)>;

/// Destroying a Client ends the connection; every request under way ends with InterruptedError. It must not
/// outlive its io_context.
class Client {
  public:
    /// Takes over a connected stream socket.
    Client(net::io_context& context, Fd socket);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    ~Client();

    /// connect(2) to a Unix socket; a path too long for a socket address goes through its directory's fd.
    /// Throws ConnectError.
    static Client connect_unix(net::io_context& context, const std::string& path);

    /// Waits for the greeting and negotiates (with oob if offered). Events that come meanwhile are delivered.
    /// Throws ConnectError when it takes longer than `deadline` or the connection ends, and closes it.
    net::awaitable<Greeting> handshake(std::chrono::milliseconds deadline);

    /// Runs one command; at most 7 are in flight in-band (QEMU stops reading at 8, and out-of-band commands
    /// with it), further ones wait here in order. Throws ExecuteError, InterruptedError, StateError (before
    /// the handshake and after the end), ProtocolError (arguments that are no JSON object of UTF-8 text).
    net::awaitable<Json> execute(std::string command, Json arguments, ExecuteOptions options);
    net::awaitable<Json> execute(std::string command, Json arguments);
    net::awaitable<Json> execute(std::string command);

    /// As execute(), but without a deadline and without a coroutine. Returns the bytes that go out.
    std::string send(std::string command, const Json& arguments, bool oob, AnswerHandler answered);
    /// The same for a command that is whole ({"execute": ..., ...}). It keeps its id; if it has none it gets
    /// one.
    std::string send(Json message, AnswerHandler answered);
    /// Begins a conversation with a QEMU guest agent, which greets nobody: throws away what is left of an
    /// earlier one (guest-sync-delimited). Throws ConnectError as handshake() does.
    net::awaitable<void> handshake_agent(std::chrono::milliseconds deadline);

    /// Events from now on. The queue may outlive the Client.
    EventQueue subscribe(EventFilter filter);

    /// Nothing before the handshake, and of a guest agent.
    const std::optional<Greeting>& greeting() const;
    Runstate runstate() const;
    /// Returns when the connection has ended. `closed_reason` then says why.
    net::awaitable<void> closed();
    std::string closed_reason() const;
    void close();

    /// Called for each event as it comes, with its text. Nothing is lost and nothing waits: it must be quick.
    void on_event(std::function<void(const Event&, const std::string& text)> event);
    /// Called for complaints without id, stray replies and garbage: one sentence each. Optional.
    void on_notice(std::function<void(const std::string&)> notice);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace qvm::qmp
