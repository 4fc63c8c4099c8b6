// SPDX-License-Identifier: GPL-3.0-or-later
// Failures of the outside world, as exceptions. Mistakes in a file or on the command line are not exceptions:
// they are Diagnostics (base/diagnostic.hpp), collected and printed together.
#pragma once
#include <stdexcept>
#include <string>
#include <system_error>

namespace qvm {

/// What the program's exit status means to a script. See qvm(1), EXIT STATUS.
enum class ExitCode : int {
    Ok = 0,
    Usage = 1,               ///< wrong command line, or an internal error
    Invalid = 2,             ///< the file is invalid; nothing was touched
    Changes = 3,             ///< the file differs from what runs
    NextStart = 4,           ///< applied; changes remain for the next start
    UnplugPending = 5,       ///< unplug pending or refused by the guest
    RolledBack = 6,          ///< failed; everything was undone
    RollbackIncomplete = 7,  ///< failed; something is left behind
    NoSuchVm = 8,            ///< no such VM, or not running
    HostCannot = 9,          ///< this host cannot do it; nothing was started
    TimedOut = 10,           ///< timed out waiting; the VM runs on
    OutcomeUnknown = 11,     ///< nobody could tell what happened: see `qvm status`
    VmDied = 12,             ///< the VM died
    JailBroken = 13,         ///< the jail is not as promised
};

/// Root of all our exceptions: what happened and to which thing, what to do next, and the exit status.
class Error : public std::runtime_error {
  public:
    /// `what`: a full sentence without a final dot that names its subject. `advice`: what to do next, or
    /// empty.
    Error(ExitCode code, const std::string& what, std::string advice = {});

    ExitCode exit_code() const { return code_; }
    const std::string& advice() const { return advice_; }

  private:
    ExitCode code_;
    std::string advice_;
};

/// A system call failed on a named thing: "cannot open '/x/y': Permission denied".
class SystemError : public Error {
  public:
    /// `action` is the verb phrase with its object ("open '/x/y'"); `error` is an errno value.
    SystemError(const std::string& action, int error, std::string advice = {},
                ExitCode code = ExitCode::Usage);

    std::error_code error() const { return error_; }

  private:
    std::error_code error_;
};

/// Throws SystemError with the present errno.
[[noreturn]] void throw_errno(const std::string& action);

/// The text of an errno value, thread-safe.
std::string errno_text(int error);

}  // namespace qvm
