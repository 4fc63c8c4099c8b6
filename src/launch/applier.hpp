// SPDX-License-Identifier: GPL-3.0-or-later
// Carries out the operations of an `apply` on a VM that runs, in its supervisor: undoes what it can when one
// fails, and waits for devices that the guest has yet to let go, for as long as that takes.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"
#include "launch/operation.hpp"
#include "launch/runner.hpp"
#include "launch/state.hpp"
#include "qmp/client.hpp"

namespace qvm::launch {

/// How an apply went, as its caller is told.
struct ApplyOutcome {
    std::vector<std::string> done;  ///< titles
    std::string failed;             ///< the title of what failed, or empty
    std::string reason, origin;     ///< of the failure
    bool died = false;              ///< QEMU did: there is nothing to undo
    std::vector<std::string> not_undone;
    std::vector<std::string> pending;   ///< devices the guest was asked to let go, and has not
    std::vector<std::string> deferred;  ///< devices that it will be asked for when it runs
    std::vector<std::string> refused;   ///< "device.data: why"
    bool cancelled = false;             ///< it was told to stop, and did: nothing `failed`
    std::vector<std::string> left;      ///< titles of what was not done because of that, nor undone
    Json to_json() const;
    static ApplyOutcome from_json(const Json& saved);
};

/// What an apply is at, for who watches it.
struct ApplyStep {
    enum class Doing {
        Step,     ///< of additions, changes, removals and replugs
        Waiting,  ///< for the guest, to let a device go
        Undoing,
    };
    Doing doing = Doing::Step;
    std::string title;                 ///< of the operation; of Waiting the resource
    std::size_t index = 0, count = 0;  ///< from 1; among all, or all that are undone
    Json to_json() const;
    /// Throws Json::exception.
    static ApplyStep from_json(const Json& saved);
};
/// Told of each step before it is done. Must not throw.
using ApplyWatcher = std::function<void(const ApplyStep&)>;

/// What the supervisor does for it.
struct ApplyHooks {
    std::function<void()> write_state;  ///< Applied has changed; may throw Error
    std::function<void(const Json&)> set;
    std::function<void(const Json&)> take_helper;
    std::function<void(const Json&)> end_helper;
    std::function<void(const std::string&)> log;
    std::function<void(const Json&)> limit;  ///< Operation::Kind::Limits; may throw Error
};

/// Borrows all it is given.
class Applier {
  public:
    Applier(qmp::net::io_context& context, qmp::Client& monitor, Applied& applied, ApplyHooks hooks);
    Applier(const Applier&) = delete;
    Applier& operator=(const Applier&) = delete;

    bool busy() const { return busy_; }
    /// One at a time. `fds` are those that operations name.
    qmp::net::awaitable<ApplyOutcome> run(Operations operations, std::map<std::string, Fd> fds,
                                          std::chrono::milliseconds unplug_deadline,
                                          ApplyWatcher watcher = {});
    /// Has run() stop: before its next step, and undo what it did, or, once it removes things, leave the rest
    /// as it is. While it waits for the guest, only the waiting ends. False when nothing is at work.
    bool cancel();
    /// What a supervisor before this one has left: an apply that was at work is undone or, where it took
    /// things away already, carried on with, but for what was to come again; devices that have gone meanwhile
    /// are noticed. Returns a sentence about the apply, or nothing.
    qmp::net::awaitable<std::string> resume();
    /// Every event of QEMU's: what was pending may go on.
    void note(const qmp::Event& event);

  private:
    class Busy;
    struct Unplugging;

    qmp::net::awaitable<void> run_parts(Operations operations, ApplyOutcome& outcome);
    qmp::net::awaitable<bool> run_undoable(const std::vector<Operation>& operations, ApplyOutcome& outcome);
    qmp::net::awaitable<void> run_removals(ApplyOutcome& outcome);
    qmp::net::awaitable<void> undo_all(ApplyOutcome& outcome);
    qmp::net::awaitable<std::optional<CommandFailure>> find_way_back(const Operation& operation,
                                                                     std::vector<Operation>& undo);
    qmp::net::awaitable<std::optional<CommandFailure>> perform(const Operation& operation);
    qmp::net::awaitable<std::optional<CommandFailure>> run_one(const Operation& operation);
    std::optional<CommandFailure> run_own(const Operation& operation) const;
    qmp::net::awaitable<void> unplug(std::vector<Operation> group, ApplyOutcome& outcome);
    qmp::net::awaitable<void> ask(std::vector<Unplugging>& devices);
    qmp::net::awaitable<void> wait_for_guest(qmp::EventQueue& events, std::vector<Unplugging>& devices);
    qmp::net::awaitable<void> settle(std::vector<Unplugging>& devices, ApplyOutcome& outcome);
    qmp::net::awaitable<void> look_for_gone(std::vector<Unplugging>& devices);
    qmp::net::awaitable<bool> is_there(std::string device);
    qmp::net::awaitable<void> finish(std::string device);
    qmp::net::awaitable<void> ask_deferred();
    qmp::net::awaitable<void> look_after_pending();
    qmp::net::awaitable<std::string> resume_flight();
    void tell(ApplyStep::Doing doing, const std::string& title);
    void failed(const Operation& operation, const CommandFailure& failure, ApplyOutcome& outcome) const;
    void done(const Operation& operation, ApplyOutcome& outcome) const;
    bool waits(const Operation& operation) const;
    static bool comes(const Operation& operation);
    void note_edit(const RecordEdit& edit);
    std::optional<CommandFailure> write_down() const;
    void write_or_log() const;
    bool begin_removals(std::vector<Operation> operations, ApplyOutcome& outcome);
    void take_over_pending(const std::string& device);
    std::function<void(const std::exception_ptr&)> log_failure() const;

    qmp::net::io_context& context_;
    qmp::Client& monitor_;
    Applied& applied_;
    ApplyHooks hooks_;
    std::map<std::string, Fd> fds_;
    std::chrono::milliseconds unplug_deadline_{10'000};
    std::vector<std::string> kept_;  ///< devices of this run that did not go
    bool busy_ = false;
    bool cancelled_ = false;
    ApplyWatcher watcher_;
    std::size_t step_ = 0, steps_ = 0;  ///< of what the watcher is told
};

}  // namespace qvm::launch
