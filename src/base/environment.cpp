// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/environment.hpp"

#include <cstdlib>

namespace qvm {

std::filesystem::path user_directory(const char* variable, const std::filesystem::path& below_home) {
    // NOLINTBEGIN(concurrency-mt-unsafe): nobody sets them
    const char* set = std::getenv(variable);
    const char* home = std::getenv("HOME");
    // NOLINTEND(concurrency-mt-unsafe)
    if (set != nullptr && *set == '/') return set;
    return home != nullptr && *home == '/' ? home / below_home : std::filesystem::path();
}

}  // namespace qvm
