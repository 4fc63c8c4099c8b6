// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/transcript.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace qvm::shell {

const char* name_of(ItemState state) {
    switch (state) {
        case ItemState::Pending:
            return "Pending";
        case ItemState::Ok:
            return "OK";
        case ItemState::Error:
            return "ERR";
        case ItemState::Lost:
            return "LOST";
    }
    return "";
}

CommandPart& Item::edit_command() {
    if (!command_) command_ = std::make_unique<CommandPart>();
    return *command_;
}

const CommandPart& Item::command() const {
    static const CommandPart nothing;
    return command_ ? *command_ : nothing;
}

const Item& Transcript::append(Item item) {
    item.number = next_++;
    if (item.kind == ItemKind::Event) item.run = join_run(item);
    if (item.state == ItemState::Pending) ++pending_;
    if (item.kind == ItemKind::Command && !item.received.empty())
        item.edit_command().answered_after = item.number;
    bytes_ += item.bytes();
    items_.push_back(std::move(item));
    while (items_.size() > 1 && (items_.size() > limits_.items || bytes_ > limits_.bytes)) drop_oldest();
    return items_.back();
}

const Item* Transcript::finish(std::uint64_t number, ItemState state, std::string received,
                               std::int64_t when) {
    auto* item = at(number);
    if (item == nullptr) return nullptr;
    if (item->state == ItemState::Pending) --pending_;
    bytes_ += received.size();
    bytes_ -= item->received.size();
    item->state = state;
    item->received = std::move(received);
    item->edit_command().ended = when;
    item->edit_command().answered_after = next_ - 1;
    while (items_.size() > 1 && bytes_ > limits_.bytes) drop_oldest();
    return find(number);
}

const Item* Transcript::find(std::uint64_t number) const {
    if (number < first() || number >= next_) return nullptr;
    return &items_[number - first()];
}

Item* Transcript::at(std::uint64_t number) {
    if (number < first() || number >= next_) return nullptr;
    return &items_[number - first()];
}

void Transcript::lose_pending(std::int64_t when) {
    if (pending_ == 0) return;
    for (auto& item : items_) {
        if (item.state != ItemState::Pending) continue;
        item.state = ItemState::Lost;
        item.edit_command().ended = when;
    }
    pending_ = 0;
}

std::uint64_t Transcript::join_run(const Item& event) {
    constexpr std::int64_t apart = 1'000'000;
    for (std::size_t back = 1; back <= 2 && back <= items_.size(); ++back) {
        const auto& before = items_[items_.size() - back];
        if (before.kind != ItemKind::Event || event.began - before.began > apart) break;
        if (before.name != event.name) continue;
        const auto run = before.run != 0 ? before.run : before.number;
        for (std::size_t i = items_.size() - back; i < items_.size(); ++i) items_[i].run = run;
        return run;
    }
    return 0;
}

void Transcript::drop_oldest() {
    if (items_.front().state == ItemState::Pending) --pending_;
    bytes_ -= items_.front().bytes();
    items_.pop_front();
}

std::int64_t wall_clock() {
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace qvm::shell
