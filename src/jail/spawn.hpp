// SPDX-License-Identifier: GPL-3.0-or-later
// Starts a contained process.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "jail/spec.hpp"
#include "jail/stage.hpp"

namespace qvm::jail {

/// The process was not started; nothing is left behind. The message names the stage, the thing and the way
/// out.
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
    /// `end`: where the stub tells how the process ended, which its own exit status cannot tell apart.
    Child(PidFd stub, pid_t process, Fd end);
    /// One that another process has started. Its end is known by what its stub writes to `exit_report`; a
    /// stub that wrote nothing was killed. The destructor leaves it alone.
    static Child found_again(PidFd stub, pid_t process, Fd exit_report);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    Child(Child&&) noexcept = default;
    Child& operator=(Child&& other) noexcept;
    ~Child();

    /// Ends (becomes readable) with the process and everything it started.
    const PidFd& stub() const { return stub_; }
    pid_t stub_pid() const { return stub_.pid(); }
    /// The process itself, as the host numbers it; -1 if unknown.
    pid_t process_pid() const { return process_; }
    /// Kills the stub and with it all of its pid namespace, or, where there is none, the process.
    void kill();
    /// Reaps and tells how the process ended; nothing if it has not ended within `timeout_ms` (-1: no limit).
    /// After kill() that is SIGKILL. Only for the process that called spawn() or found it again. Throws
    /// SystemError.
    std::optional<ExitStatus> wait(int timeout_ms);
    /// From now on the process outlives this object.
    void detach() { detached_ = true; }

  private:
    void end_and_reap() noexcept;

    PidFd stub_;  ///< empty after a move
    pid_t process_ = -1;
    Fd end_;
    bool found_again_ = false;  ///< `end_` is the exit report
    bool detached_ = false;
    std::optional<ExitStatus> status_;  ///< once reaped
};

/// Checks the Spec, clones, builds the jail and executes. Returns when exec has succeeded. Throws SetupError,
/// and SystemError when a descriptor cannot be had. The calling thread is the one whose end counts for
/// Spec::end_with_parent.
///
/// `announce` is called when the jail's first process exists and waits: what it writes down is there before
/// anything can happen in the jail. If we die before it has returned, the jail ends by itself.
using Announce = std::function<void(const PidFd& stub)>;
Child spawn(const Spec& spec, const Announce& announce = {});

/// For tests: as spawn(), but `stage` of the child fails with `error` instead of being done.
Child spawn_with_fault(const Spec& spec, Stage stage, int error);

/// Reads what the stub wrote into the exit report; nothing if it is empty (the process runs, or the stub was
/// killed).
std::optional<ExitStatus> read_exit_report(int fd);

}  // namespace qvm::jail
