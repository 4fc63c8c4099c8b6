// SPDX-License-Identifier: GPL-3.0-or-later
// The server's side of QMP for several clients at once: the attach socket of a VM, and the fake QEMU of
// tests. Speaks to any client: greeting, negotiation, framing by JSON, ids echoed verbatim.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"
#include "qmp/message.hpp"

namespace qvm::qmp {

namespace net = boost::asio;

/// A connected client, as its handler sees it.
struct ClientInfo {
    std::uint64_t number = 0;  ///< counted from 1
    int pid = 0;               ///< SO_PEERCRED
    unsigned uid = 0;
    std::string label;  ///< for people: "qvm 1234", its program and pid; "client 7" where they are not known
};

/// What one client said or was told, for those who watch (Server::watch()). Borrowed for the call.
struct Traffic {
    const ClientInfo& client;
    const Json& command;  ///< as it was sent, perhaps no proper one; null where it is not known
    const Json* reply;    ///< null: the command itself
};

/// One command from a client. `fds` came with it and are the handler's now: those of one sendmsg(2), for the
/// first command after it that takes any (Options::fd_commands).
struct Call {
    ClientInfo client;
    std::string command;
    Json arguments;  ///< an object, perhaps empty
    bool oob = false;
    std::size_t bytes = 0;  ///< of the whole message, as it came
    std::vector<Fd> fds;
};

/// Answers a call: returns the reply's value or throws ExecuteError; any other exception becomes a
/// GenericError with its text. Calls of one client run one after the other, in order, out-of-band ones at
/// once; calls of several clients run at the same time. A call runs to its end even when its client goes
/// away; one that has not begun then never does, unless the client only closed its sending side.
using CallHandler = std::function<net::awaitable<Json>(Call)>;

class Server {
  public:
    struct Options {
        Greeting greeting;                                   ///< what clients are told
        std::size_t message_limit = std::size_t{16} << 20U;  ///< a longer command is refused, the client kept
        std::size_t queued_bytes = std::size_t{64}
                                   << 20U;  ///< a client that does not read more than this of
                                            ///< replies is dropped; of events, they are dropped
                                            ///< and counted (event __org.qvm_EVENTS_DROPPED)
        std::size_t queued_event_bytes = std::size_t{4} << 20U;
        std::vector<std::string> fd_commands{"getfd", "add-fd"};  ///< commands that take descriptors
        /// Makes the event that watchers get of it. Without it nobody can watch.
        std::function<Event(const Traffic&)> show;
        /// Told the number of each client that goes before stop(); a call of its may still run. Optional.
        std::function<void(std::uint64_t)> gone;
    };

    /// Takes over `listener`, a listening Unix stream socket. A member coroutine or function object that
    /// captures nothing that could die earlier than the Server: `handler` is kept.
    Server(net::io_context& context, Fd listener, Options options, CallHandler handler);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Sends an event to every negotiated client.
    void broadcast(const Event& event);
    /// Sends an event to one client; false if it has gone or has not negotiated yet.
    bool send(std::uint64_t client_number, const Event& event);
    std::size_t client_count() const;
    /// From now on this client gets, or does not get any more, an event (Options::show) of each command and
    /// each reply of all others. They are events like any: who does not read them loses some and is told.
    void watch(std::uint64_t client_number, bool enable);
    void end_watches();
    /// Stops listening and reading, lets running calls end and queued replies go out for at most a second,
    /// then closes all.
    net::awaitable<void> stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace qvm::qmp
