// SPDX-License-Identifier: GPL-3.0-or-later
// The transcript as messages in the order in which they travelled: an item is a command with its reply, but
// events and other commands came in between.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "shell/transcript.hpp"

namespace qvm::shell {

/// Of an item. A command has both parts, or only the sent one; an event and a notice are received.
enum class Part { Both, Sent, Received };

struct Message {
    const Item* item = nullptr;  ///< the transcript's: valid until that changes
    Part part = Part::Sent;      ///< never Both
    std::int64_t when = 0;       ///< microseconds since the epoch

    std::string_view json() const { return part == Part::Sent ? item->sent() : item->received; }
};

/// All items there are, the oldest first.
std::vector<const Item*> all_items(const Transcript& transcript);
/// Ordered by time; of the same time, by item. The end of a lost command is no message.
std::vector<Message> messages_of(const std::vector<const Item*>& items);

}  // namespace qvm::shell
