// SPDX-License-Identifier: GPL-3.0-or-later
// Files that the user asked for by name.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace qvm::shell {

/// Whole or not at all, mode 0600 when it is new. Throws Error that names the file.
void write_own_file(const std::string& path, std::string_view text);
/// Throws Error that names the file: it is not there, is no file, or has more than 64M.
std::string read_own_file(const std::string& path);

}  // namespace qvm::shell
