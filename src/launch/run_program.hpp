// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a program of the host to its end, with the caller's rights.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace qvm::launch {

struct ProgramEnd {
    int status = 0;    ///< as waitpid(2) tells it
    std::string said;  ///< on its standard output and error
    bool succeeded() const { return status == 0; }
};

/// `argv` with its first word. `fds`: which descriptor it finds under which number, beside the standard ones,
/// of which it reads nothing. Throws SystemError when it cannot be started.
ProgramEnd run_program(const std::filesystem::path& program, std::vector<std::string> argv,
                       const std::vector<std::pair<int, int>>& fds);

}  // namespace qvm::launch
