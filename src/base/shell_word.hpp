// SPDX-License-Identifier: GPL-3.0-or-later
// Words of commands that are shown to be pasted into a shell, or that a shell is to run.
#pragma once
#include <string>
#include <string_view>

namespace qvm {

/// In single quotes: a POSIX shell reads it back as it is, whatever it holds.
std::string quote_shell(std::string_view text);

/// The same, but plain where a shell leaves it as it is anyway.
std::string shell_word(const std::string& text);

}  // namespace qvm
