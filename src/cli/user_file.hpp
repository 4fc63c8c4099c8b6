// SPDX-License-Identifier: GPL-3.0-or-later
// Files of the user's that a verb writes.
#pragma once
#include <string>
#include <string_view>

namespace qvm::cli {

/// All that can be read from standard input. Throws SystemError.
std::string read_standard_input();

/// Makes `path`; one that is there already is replaced only with `force`. Throws SystemError and Error
/// (Usage).
void write_file(const std::string& path, std::string_view bytes, bool force);

/// Puts `bytes` in the place of an existing file, or of the one that a link leads to: a reader sees the old
/// or the new whole. Mode and owner stay. Throws SystemError.
void replace_file(const std::string& path, std::string_view bytes);

}  // namespace qvm::cli
