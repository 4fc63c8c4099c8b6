// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/error.hpp"

#include <cerrno>

namespace qvm {

Error::Error(ExitCode code, const std::string& what, std::string advice)
    : std::runtime_error(what), code_(code), advice_(std::move(advice)) {}

SystemError::SystemError(const std::string& action, int error, std::string advice, ExitCode code)
    : Error(code, "cannot " + action + ": " + errno_text(error), std::move(advice)),
      error_(error, std::system_category()) {}

void throw_errno(const std::string& action) {
    throw SystemError(action, errno);
}

std::string errno_text(int error) {
    return std::system_category().message(error);
}

}  // namespace qvm
