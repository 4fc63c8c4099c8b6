// SPDX-License-Identifier: GPL-3.0-or-later
// What a process said before it ended, for the message that reports its end.
#pragma once
#include <string>
#include <vector>

#include "launch/state.hpp"

namespace qvm::launch {

/// The last `lines` lines of `log` in the state directory, without empty ones. Throws SystemError.
std::vector<std::string> last_words(const VmState& state, const std::string& log, std::size_t lines);

/// "QEMU said: .." for each, control characters escaped.
std::string quoted_words(const std::vector<std::string>& words, const std::string& who);

}  // namespace qvm::launch
