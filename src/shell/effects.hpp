// SPDX-License-Identifier: GPL-3.0-or-later
// Which event a command has caused, and which command an event: device_del id=d0 and DEVICE_DELETED
// device=d0.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "shell/transcript.hpp"

namespace qvm::shell {

/// A row of the table. Lists are separated by blanks.
struct Effect {
    std::string_view commands;
    std::string_view events;  ///< with a * at its end: all that begin so
    /// "job-id device": the first of them that is given. "=TEXT": TEXT itself. "": no argument matters.
    std::string_view argument;
    std::string_view member;  ///< of the event's data that equals it: "info.device"
    enum class Times {
        Once,  ///< the first such event after the command; a later one has another cause
        Often
    };
    Times times = Times::Often;
};
std::span<const Effect> effects();

/// The first event after the item `after` that this command has caused. Of two commands that could have, it
/// is the later one's. Commands in a transaction count.
std::optional<std::uint64_t> effect_after(const Transcript& transcript, std::uint64_t command,
                                          std::uint64_t after);
/// The command that has caused this event.
std::optional<std::uint64_t> cause_of(const Transcript& transcript, std::uint64_t event);

}  // namespace qvm::shell
