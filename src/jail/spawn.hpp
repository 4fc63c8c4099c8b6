// SPDX-License-Identifier: GPL-3.0-or-later
// Starts a contained process.
#pragma once
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "jail/spec.hpp"

namespace qvm::jail {

/// The process was not started; nothing is left behind. The message names the stage, the thing and the way out.
class SetupError : public Error {
  public:
    SetupError(std::string stage, const std::string& what, int error, std::string advice);
    const std::string& stage() const { return stage_; }
    int error() const { return error_; }

  private:
    std::string stage_;
    int error_;
};

/// How a process ended.
struct ExitStatus {
    bool signaled = false;
    int code = 0;  ///< exit status, or signal number
    /// "exited with status 1", "was killed by signal 9 (SIGKILL)"
    std::string to_string() const;
};

/// A running contained process. The destructor kills it and reaps it unless detach() was called.
class Child {
  public:
    Child(PidFd stub, pid_t process);
    Child(Child&&) noexcept;
    Child& operator=(Child&&) noexcept;
    ~Child();

    /// Ends (becomes readable) with the process and everything it started.
    const PidFd& stub() const { return stub_; }
    pid_t stub_pid() const { return stub_.pid(); }
    /// The process itself, as the host numbers it; -1 if unknown.
    pid_t process_pid() const { return process_; }
    /// Kills the stub and with it all of its pid namespace.
    void kill();
    /// Reaps and tells how the process ended; nothing if it has not ended within `timeout_ms` (-1: no limit).
    /// Only for the parent of the process.
    std::optional<ExitStatus> wait(int timeout_ms);
    /// From now on the process outlives this object.
    void detach() { detached_ = true; }

  private:
    PidFd stub_;
    pid_t process_ = -1;
    bool detached_ = false;
    bool reaped_ = false;
};

/// Checks the Spec, clones, builds the jail and executes. Returns when exec has succeeded. Throws SetupError.
Child spawn(const Spec& spec);

/// Reads what the stub wrote into the exit report; nothing if it is empty (the process runs, or the stub was
/// killed).
std::optional<ExitStatus> read_exit_report(int fd);

}  // namespace qvm::jail
