// SPDX-License-Identifier: GPL-3.0-or-later
// A bounded queue of events for one listener: a slow listener loses its oldest events and is told how many,
// and nobody else waits for it.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/awaitable.hpp>

#include "qmp/message.hpp"

namespace qvm::qmp {

namespace net = boost::asio;

/// True for events the listener wants; an empty function wants all.
using EventFilter = std::function<bool(const Event&)>;

/// Events a queue holds at most.
inline constexpr std::size_t event_queue_length = 1024;

/// One coroutine at a time waits on a queue.
class EventQueue {
  public:
    /// The end that is filled (qmp/event_source.hpp).
    struct State;
    explicit EventQueue(std::shared_ptr<State> state);
    EventQueue(const EventQueue&) = delete;
    EventQueue& operator=(const EventQueue&) = delete;
    EventQueue(EventQueue&&) noexcept;
    EventQueue& operator=(EventQueue&&) noexcept;
    /// Ends the subscription.
    ~EventQueue();

    /// The next event; nothing when the connection has ended and the queue is empty, or the deadline has
    /// passed.
    net::awaitable<std::optional<Event>> next(
        std::optional<std::chrono::milliseconds> deadline = std::nullopt);
    /// Events lost since the last call because the queue was full.
    std::size_t take_dropped();
    /// True when the connection has ended and nothing is left.
    bool ended() const;

  private:
    std::shared_ptr<State> state_;
};

}  // namespace qvm::qmp
