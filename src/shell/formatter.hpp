// SPDX-License-Identifier: GPL-3.0-or-later
// Items of the transcript as lines of the log, in the view the user chose.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"
#include "shell/messages.hpp"
#include "shell/transcript.hpp"

namespace qvm::shell {

enum class ViewMode {
    Summary,      ///< a line per item: the command, its state, a taste of its reply
    JsonSummary,  ///< a line per message: the beginning of its JSON
    Json,         ///< each message whole, as it came
    PrettyJson,   ///< each message laid out
    Raw,          ///< the bytes, with no colours
    Typed,        ///< commands as they were typed, whole
};

/// "summary", "json-summary", "json", "pretty", "raw", "typed".
const char* name_of(ViewMode mode);
std::optional<ViewMode> view_named(std::string_view name);
/// What one key cycles through: the first four; from the others it leads back to the first.
ViewMode next_view(ViewMode mode);
/// Whether a view shows messages in the order in which they travelled, so that a reply is not with its
/// command.
bool is_linear(ViewMode mode);

enum class Clock { None, Minutes, Seconds, Microseconds };
/// "none", "minutes", "seconds", "microseconds".
const char* name_of(Clock clock);
std::optional<Clock> clock_named(std::string_view name);

/// Several items shown as one.
struct Fold {
    std::uint64_t count = 1;
    std::string names;  ///< "RESUME/STOP"
};

struct FormatOptions {
    std::size_t columns = 80;
    /// How many lines a message may take; what is left out is told.
    std::size_t message_lines = 100;
    /// For a linear view: the command where it was sent, the reply where it came. Summary and Typed are about
    /// whole items and know no parts.
    Part part = Part::Both;
    Clock clock = Clock::Minutes;
    /// Seconds to add to universal time, at a time given in seconds since the epoch; null: none.
    std::int64_t (*utc_offset)(std::int64_t seconds) = nullptr;
    Fold fold;
};

/// For FormatOptions: the process' time zone.
std::int64_t local_utc_offset(std::int64_t seconds);
/// "11:28", "11:28:01", "11:28:01.002300"; "" for Clock::None.
std::string time_text(std::int64_t microseconds, const FormatOptions& options);

/// No line is wider than the columns. Nothing for a part that the item does not have.
std::vector<Line> format(const Item& item, ViewMode mode, const FormatOptions& options);

/// "3 145 000".
std::string grouped(std::uint64_t number);

}  // namespace qvm::shell
