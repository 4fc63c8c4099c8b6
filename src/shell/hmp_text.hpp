// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's human monitor through QMP (human-monitor-command): what to send for a line, and its text as lines.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

/// One connection's view of the human monitor. Each line runs in a monitor of its own, which forgets the CPU
/// that "cpu N" chose: so it is kept here.
class Hmp {
  public:
    /// The arguments of human-monitor-command for this line, as a JSON object.
    std::string arguments(std::string_view line) const;
    /// The text that came back for it, each line as many as it needs. A "cpu N" that QEMU had nothing against
    /// holds from now on.
    std::vector<Line> answer(std::string_view line, std::string_view text, std::size_t columns);
    /// What "cpu N" chose.
    std::optional<unsigned> cpu() const { return cpu_; }

  private:
    std::optional<unsigned> cpu_;
};

struct HmpHint {
    std::string_view command;  ///< "info status", "cont"
    std::string_view qmp;      ///< "query-status"
    std::string_view note;     ///< what differs, or nothing
};

/// All that are known, sorted by command.
std::span<const HmpHint> hmp_hints();

/// The QMP command that does what this line does; null for those that have none, or none that we know.
const HmpHint* hmp_hint(std::string_view line);

/// "QMP: query-status", with the note; empty where there is no hint.
Line hint_line(std::string_view line);

}  // namespace qvm::shell
