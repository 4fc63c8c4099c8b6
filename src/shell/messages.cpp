// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/messages.hpp"

#include <algorithm>

namespace qvm::shell {

std::vector<const Item*> all_items(const Transcript& transcript) {
    std::vector<const Item*> items;
    items.reserve(transcript.items().size());
    for (const auto& item : transcript.items()) items.push_back(&item);
    return items;
}

std::vector<Message> messages_of(const std::vector<const Item*>& items) {
    std::vector<Message> messages;
    for (const auto* item : items) {
        const bool command = item->kind == ItemKind::Command;
        messages.push_back({item, command ? Part::Sent : Part::Received, item->began});
        const bool answered = item->state == ItemState::Ok || item->state == ItemState::Error;
        if (command && answered) messages.push_back({item, Part::Received, item->ended()});
    }
    const auto earlier = [](const Message& a, const Message& b) { return a.when < b.when; };
    std::ranges::stable_sort(messages, earlier);
    return messages;
}

}  // namespace qvm::shell
