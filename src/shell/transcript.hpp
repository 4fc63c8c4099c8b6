// SPDX-License-Identifier: GPL-3.0-or-later
// All that was said on a connection, in the order in which it began: commands with their replies, events, and
// the shell's own notices. Append-only, but that a command's reply is put to it, and that the oldest go.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace qvm::shell {

enum class ItemKind : std::uint8_t { Command, Event, Notice };

/// Of a command; everything else is Ok, or Error for a notice of something that went wrong.
enum class ItemState : std::uint8_t {
    Pending,
    Ok,
    Error,
    Lost,  ///< the connection ended before the reply: nobody knows whether it ran
};

/// The word in brackets: "Pending", "OK", "ERR", "LOST".
const char* name_of(ItemState state);

/// What only commands have; events, of which there may be a hundred thousand, do without.
struct CommandPart {
    std::string typed;                 ///< the line as the user typed it; empty for other clients' commands
    std::string sent;                  ///< the JSON that was sent, as it travelled, without its line end
    std::string client;                ///< who sent it, when that was not this shell
    std::int64_t ended = 0;            ///< when the reply came; 0 while it has not
    std::uint64_t answered_after = 0;  ///< the newest item when its reply came
};

struct Item {
    std::uint64_t number = 0;  ///< 1, 2, ...; never used again
    ItemKind kind = ItemKind::Notice;
    ItemState state = ItemState::Ok;
    std::int64_t began = 0;  ///< microseconds since the epoch
    std::uint64_t run = 0;   ///< the first item of the run of alike events this one belongs to; 0: none
    std::string name;        ///< of the command or event; a notice's text
    std::string received;    ///< the JSON of the reply or event, as it came

    const std::string& typed() const { return command().typed; }
    const std::string& sent() const { return command().sent; }
    const std::string& client() const { return command().client; }
    std::int64_t ended() const { return command().ended; }
    std::uint64_t answered_after() const { return command().answered_after; }
    /// To set what a command has.
    CommandPart& edit_command();

    std::size_t bytes() const { return name.size() + typed().size() + sent().size() + received.size(); }

  private:
    const CommandPart& command() const;

    std::unique_ptr<CommandPart> command_;  ///< none: nothing of it was set
};

struct TranscriptLimits {
    std::size_t items = 100'000;
    std::size_t bytes = std::size_t{64} << 20U;
};

class Transcript {
  public:
    explicit Transcript(TranscriptLimits limits = {}) : limits_(limits) {}

    /// Gives the item its number, and drops the oldest when there are too many. An event that repeats the one
    /// before it, or the one before that (STOP, RESUME, STOP), within a second joins its run.
    const Item& append(Item item);
    /// The reply to a command. Nothing when the item has gone meanwhile.
    const Item* finish(std::uint64_t number, ItemState state, std::string received, std::int64_t when);

    /// Null when it has gone, or never was.
    const Item* find(std::uint64_t number) const;
    /// From the oldest to the newest.
    const std::deque<Item>& items() const { return items_; }
    std::uint64_t first() const { return items_.empty() ? next_ : items_.front().number; }
    std::uint64_t next() const { return next_; }  ///< the number of the next item
    std::size_t pending() const { return pending_; }
    std::size_t bytes() const { return bytes_; }
    /// How many items have been dropped.
    std::uint64_t dropped() const { return first() - 1; }
    /// Ends every pending command as Lost.
    void lose_pending(std::int64_t when);

  private:
    Item* at(std::uint64_t number);
    std::uint64_t join_run(const Item& event);
    void drop_oldest();

    TranscriptLimits limits_;
    std::deque<Item> items_;
    std::uint64_t next_ = 1;
    std::size_t pending_ = 0;
    std::size_t bytes_ = 0;
};

/// Microseconds since the epoch, now.
std::int64_t wall_clock();

}  // namespace qvm::shell
