// SPDX-License-Identifier: GPL-3.0-or-later
// A process of its own for a supervisor, and what it tells the one that waits for it.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// Turns a failure into the text a user reads (it may point into files only the caller has).
using DescribeFailure = std::function<std::string(const std::exception&)>;
/// "device_add device.root", its number and how many there are.
using ReportProgress = std::function<void(const std::string& title, std::size_t index, std::size_t count)>;

struct UpOutcome {
    bool running = false;
    ExitCode exit_code = ExitCode::Ok;
    std::string failure;             ///< DescribeFailure's text
    std::vector<std::string> notes;  ///< whole sentences without the VM's name
};

/// The child's side. A parent that has gone does not matter to it.
class Reporter {
  public:
    explicit Reporter(Fd pipe) : pipe_(std::move(pipe)) {}
    void progress(const std::string& title, std::size_t index, std::size_t count) const;
    /// The last word.
    void running(const std::vector<std::string>& notes);
    /// The last word, unless it runs already or nobody listens (any more): then on standard error.
    void failed(const std::string& text, ExitCode code);
    /// For who forks further: nobody is to hear of those whose copy is closed.
    Fd& pipe() { return pipe_; }

  private:
    Fd pipe_;
};

/// Forks a process, which does `child`, flushes its output and ends with the status that returns. Meanwhile
/// `parent` is called in this one, which then returns with the child's last word. Throws SystemError.
UpOutcome run_in_background(const std::function<int(Reporter report)>& child,
                            const std::function<void()>& parent, const ReportProgress& progress);

/// Leaves session, terminal and directory behind; messages go to supervisor.log, which begins anew or goes
/// on. Throws SystemError.
void leave_terminal(const VmState& state, bool new_log);

}  // namespace qvm::launch
