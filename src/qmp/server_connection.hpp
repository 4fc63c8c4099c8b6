// SPDX-License-Identifier: GPL-3.0-or-later
// One client of a Server: what it sent, what runs for it, what it has still to read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/fd.hpp"
#include "base/json.hpp"
#include "qmp/server.hpp"
#include "qmp/session.hpp"

namespace qvm::qmp {

/// What all clients of a server share.
struct ServerSettings {
    net::io_context& context;
    Server::Options options;
    CallHandler handler;
    /// Told of each command and reply. Empty while nobody watches, so that nothing is copied then.
    std::function<void(const Traffic&)> watched;
};

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
  public:
    /// `idle` is called when nothing runs and nothing is queued any more; then is_open() may be false.
    ServerConnection(std::shared_ptr<const ServerSettings> settings, Fd socket, ClientInfo client,
                     std::function<void(std::uint64_t)> idle);

    /// Greets and begins to read.
    void start();
    /// False when the client has gone or has not negotiated yet. `bytes` is the event's text with its line
    /// end.
    bool send_event(const std::shared_ptr<const std::string>& bytes);
    /// Reads no more commands and forgets those that have not begun.
    void stop_reading();
    /// A call runs, or there is something to write.
    bool busy() const;
    bool is_open() const { return open_; }
    void close();

  private:
    enum class Kind { Reply, Event };
    struct Chunk {
        std::shared_ptr<const std::string> bytes;
        Kind kind;
    };
    /// A command in its turn: a call, or a refusal that waits for the answers before it.
    struct Turn {
        Json id;
        std::optional<Call> call;
        Json refusal;
        Json sent;  ///< the whole command, while somebody watches
    };

    void await_input();
    void read_some();
    void take_messages();
    void take(const Framer::Frame& frame);
    void take_command(Turn turn, Call call);
    bool full() const;
    void end_of_input();
    void leave_if_done();

    void negotiate(Turn turn, const Json& arguments);
    void refuse(Turn turn, const std::string& error_class, const std::string& description);
    /// For those who watch.
    void show(const Json& command, const Json* reply) const;
    void begin(Turn turn);
    static net::awaitable<void> run_turns(std::shared_ptr<ServerConnection> self);
    static net::awaitable<void> run_oob(std::shared_ptr<ServerConnection> self, Turn turn);
    static net::awaitable<void> answer(std::shared_ptr<ServerConnection> self, Turn turn);
    void start_task(net::awaitable<void> task);

    void reply(const Turn& turn, Json response);
    void enqueue(std::shared_ptr<const std::string> bytes, Kind kind);
    void push(std::shared_ptr<const std::string> bytes, Kind kind);
    void announce_dropped();
    void write_some();
    void await_output();

    std::shared_ptr<const ServerSettings> settings_;
    net::posix::stream_descriptor socket_;
    ClientInfo client_;
    std::function<void(std::uint64_t)> idle_;
    Framer framer_;
    std::string input_;
    std::vector<Fd> fds_;  ///< came, and no command has taken them yet
    bool open_ = true;
    bool reading_ = false;      ///< input is waited for
    bool input_ended_ = false;  ///< the client closed its sending side
    bool accepting_ = true;     ///< commands are still begun
    bool negotiated_ = false;
    bool oob_enabled_ = false;

    std::deque<Turn> turns_;
    bool turns_run_ = false;
    std::size_t oob_calls_ = 0;

    std::deque<Chunk> output_;
    std::size_t written_ = 0;  ///< bytes of output_.front() that are gone
    std::size_t reply_bytes_ = 0, event_bytes_ = 0;
    std::uint64_t events_dropped_ = 0;
    bool writing_ = false;  ///< the socket was full and is waited for
};

/// The text of a message, as it goes over the wire.
std::shared_ptr<const std::string> wire_text(const Json& message);

}  // namespace qvm::qmp
