// SPDX-License-Identifier: GPL-3.0-or-later
// Old sessions, read back into a transcript: our own JSON lines (shell/transcript_file.hpp), plain QMP with a
// message on each line, and what libvirt logs of its monitors (QEMU_MONITOR_SEND_MSG and its relatives, with
// log_filters="1:qemu.qemu_monitor"). The kind of each line is seen from itself.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "shell/json_text.hpp"
#include "shell/transcript.hpp"

namespace qvm::shell {

class TranscriptLoader {
  public:
    /// `into` outlives this.
    explicit TranscriptLoader(Transcript& into) : into_(into) {}

    /// Bytes of a file, in pieces of any size. A line that is no message becomes a notice with its number.
    void feed(std::string_view bytes);
    /// The file ends. Commands without a reply are lost. A notice says how many lines were about other
    /// things.
    void finish();

    std::size_t lines() const { return line_; }
    std::size_t messages() const { return messages_; }
    std::size_t damaged() const { return damaged_; }
    /// Lines of a libvirt log that are about other things.
    std::size_t skipped() const { return skipped_; }

  private:
    /// What was read from a line besides the message.
    struct Envelope {
        std::int64_t when = 0;
        std::string_view number;  ///< of the item in its session; empty if none
        std::string client;
        std::string typed;
    };
    void take_line(std::string_view line);
    void take_json(std::string_view line);
    void take_own(std::string_view line, const JsonMembers& members);
    void take_libvirt(std::string_view line, std::string_view tag);
    void take_sent(const Envelope& envelope, std::string json);
    void take_received(const Envelope& envelope, std::string json);
    void take_note(const Envelope& envelope, std::string_view message);
    void add_damage(std::string_view line, std::string_view why);
    void add_notice(std::string text, ItemState state, std::string received = {});
    std::string libvirt_client(std::string_view monitor);

    Transcript& into_;
    std::string rest_;  ///< a line that has not ended
    bool too_long_ = false;
    std::size_t line_ = 0, messages_ = 0, damaged_ = 0, skipped_ = 0;
    std::int64_t when_ = 0;                              ///< of the last line that had a time
    std::multimap<std::string, std::uint64_t> pending_;  ///< by what a reply is known by
    std::string first_monitor_;
    bool libvirt_ = false;
    bool in_buffer_ = false;  ///< of a libvirt line that goes on over several
};

/// Reads a file. Throws SystemError.
void load_transcript(const std::filesystem::path& path, TranscriptLoader& loader);

}  // namespace qvm::shell
