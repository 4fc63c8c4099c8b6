// SPDX-License-Identifier: GPL-3.0-or-later
// The sending end of subscriptions.
#pragma once
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "qmp/async.hpp"
#include "qmp/subscription.hpp"

namespace qvm::qmp {

struct EventQueue::State {
    State(net::io_context& context, EventFilter f) : filter(std::move(f)), changed(context) {}

    EventFilter filter;
    std::deque<Event> events;
    std::size_t dropped = 0;
    bool ended = false;
    Signal changed;
};

/// Fans events out to the queues that are still listened to.
class EventSource {
  public:
    explicit EventSource(net::io_context& context) : context_(context) {}

    /// After end() the queue has ended from the beginning.
    EventQueue subscribe(EventFilter filter);
    void publish(const Event& event);
    /// No more events will come.
    void end();

  private:
    net::io_context& context_;
    std::vector<std::weak_ptr<EventQueue::State>> queues_;
    bool ended_ = false;
};

}  // namespace qvm::qmp
