// SPDX-License-Identifier: GPL-3.0-or-later
// The transcript in files: JSON lines, one for each message,
//   {"t":1636111681.002300,"n":17,"dir":"client","msg":{"execute":"query-status","id":"qvm-1"}}
// "t" is in seconds since the epoch; "n" is the number of the item, the same for a command and its reply;
// "dir" is "client" (sent), "server" (received) or "note". A note's "msg" has a "text", and "error": true
// when something went wrong. What was no JSON is a string "raw" in place of "msg", with bytes that are no
// UTF-8 as lone surrogates. "client" names another client, "typed" is the line as it was typed. Secrets are
// masked (shell/secrets.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "shell/messages.hpp"
#include "shell/transcript.hpp"

namespace qvm::shell {

/// The line of one part of an item (not Both), without its line end.
std::string log_line(const Item& item, Part part);

struct LogLimits {
    std::size_t bytes = 10'000'000;  ///< a file that has grown to this is put aside
    std::size_t files = 10;          ///< how many there are: FILE, FILE.1 (the one before), ...
};

/// A log that is written while the shell runs. Only its owner can read it. Failing never throws: a log is not
/// worth losing a session for.
class TranscriptLog {
  public:
    explicit TranscriptLog(std::filesystem::path path, LogLimits limits = {});

    /// Adds what is new of the item: a command as it was sent, later its reply. What comes back is to be told
    /// to the user: once when writing has begun to fail, and once when it works again.
    std::optional<std::string> append(const Item& item, Part part);
    const std::filesystem::path& path() const { return path_; }

  private:
    bool open();
    void rotate();
    bool write_line(std::string_view line);

    std::filesystem::path path_;
    LogLimits limits_;
    Fd file_;
    std::size_t size_ = 0;
    std::uint64_t missing_ = 0;  ///< messages that could not be written
    int error_ = 0;              ///< why, the last time
    bool failing_ = false;
};

/// Writes a file of what the items are now, in the order of time. Throws SystemError; a file that is there
/// already is not touched.
void save_transcript(const std::vector<const Item*>& items, const std::filesystem::path& path);

}  // namespace qvm::shell
