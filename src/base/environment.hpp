// SPDX-License-Identifier: GPL-3.0-or-later
// The user's own directories, by the XDG Base Directory Specification.
#pragma once
#include <filesystem>

namespace qvm {

/// What `variable` names, when that is absolute, else `below_home` in HOME. Empty when neither is there.
std::filesystem::path user_directory(const char* variable, const std::filesystem::path& below_home);

}  // namespace qvm
