// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/subscription.hpp"

#include <utility>

#include "qmp/event_source.hpp"

namespace qvm::qmp {
namespace {

using Clock = std::chrono::steady_clock;

net::awaitable<std::optional<Event>> next_until(std::shared_ptr<EventQueue::State> state,
                                                std::optional<Clock::time_point> until) {
    while (state->events.empty() && !state->ended) {
        if (!until) {
            auto change = state->changed.wait();
            co_await std::move(change);
            continue;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now());
        if (left <= std::chrono::milliseconds::zero()) break;
        auto change = state->changed.wait_for(left);
        co_await std::move(change);
    }
    std::optional<Event> event;
    if (!state->events.empty()) {
        event = std::move(state->events.front());
        state->events.pop_front();
    }
    co_return event;
}

}  // namespace

EventQueue::EventQueue(std::shared_ptr<State> state) : state_(std::move(state)) {}
EventQueue::EventQueue(EventQueue&&) noexcept = default;
EventQueue& EventQueue::operator=(EventQueue&&) noexcept = default;
EventQueue::~EventQueue() = default;

net::awaitable<std::optional<Event>> EventQueue::next(std::optional<std::chrono::milliseconds> deadline) {
    std::optional<Clock::time_point> until;
    if (deadline) until = deadline_after(*deadline);
    return next_until(state_, until);
}

std::size_t EventQueue::take_dropped() {
    return std::exchange(state_->dropped, 0);
}

bool EventQueue::ended() const {
    return state_->ended && state_->events.empty();
}

EventQueue EventSource::subscribe(EventFilter filter) {
    auto state = std::make_shared<EventQueue::State>(context_, std::move(filter));
    state->ended = ended_;
    queues_.push_back(state);
    return EventQueue(std::move(state));
}

void EventSource::publish(const Event& event) {
    std::erase_if(queues_, [](const auto& queue) { return queue.expired(); });
    for (std::size_t i = 0; i < queues_.size(); ++i) {  // a filter may subscribe
        const auto queue = queues_[i].lock();
        if (!queue || (queue->filter && !queue->filter(event))) continue;
        if (queue->events.size() == event_queue_length) {
            queue->events.pop_front();
            ++queue->dropped;
        }
        queue->events.push_back(event);
        queue->changed.notify();
    }
}

void EventSource::end() {
    ended_ = true;
    for (const auto& weak : std::exchange(queues_, {})) {
        const auto queue = weak.lock();
        if (!queue) continue;
        queue->ended = true;
        queue->changed.notify();
    }
}

}  // namespace qvm::qmp
