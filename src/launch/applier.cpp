// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/applier.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "launch/processors.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {

using qmp::net::awaitable;
using Kind = Operation::Kind;
using Cause = StepError::Cause;

namespace {

/// Of an apply that a supervisor before has begun.
std::string sentence_of(const ApplyOutcome& outcome, bool removing) {
    std::string sentence = removing ? "an apply was taking things away when the supervisor died: "
                                    : "an apply was at work when the supervisor died: ";
    std::string rest;
    const auto add = [&](const char* what, const std::vector<std::string>& list) {
        for (const auto& title : list) rest += fmt::format("\n  {}: {}", what, title);
    };
    if (!outcome.failed.empty()) rest += fmt::format("\n  {} failed: {}", outcome.failed, outcome.reason);
    add("not undone", outcome.not_undone);
    add("not done", outcome.left);
    add("the guest has yet to let it go", outcome.pending);
    add("the guest is asked when it runs", outcome.deferred);
    add("refused", outcome.refused);
    if (rest.empty()) return sentence + (removing ? "what it had begun is finished" : "it is undone");
    return sentence + (removing ? "what of it could be is finished" : "what of it could be is undone") + rest;
}

}  // namespace

Applier::Applier(qmp::net::io_context& context, qmp::Client& monitor, Applied& applied, ApplyHooks hooks)
    : context_(context), monitor_(monitor), applied_(applied), hooks_(std::move(hooks)) {}

/// Whoever waits is at the step it waits in.
void Applier::tell(ApplyStep::Doing doing, const std::string& title) {
    if (doing != ApplyStep::Doing::Waiting) ++step_;
    if (watcher_) watcher_({doing, title, std::max<std::size_t>(step_, 1), steps_});
}

void Applier::note_edit(const RecordEdit& edit) {
    if (edit.empty()) return;
    if (edit.set && edit.set->made_by == made_by_cpus && applied_.processors_added)
        ++*applied_.processors_added;
    if (edit.set) applied_.compiled.set(*edit.set);
    if (!edit.erase.empty()) applied_.compiled.erase(edit.erase);
    if (!edit.settings.empty()) applied_.compiled.settings = edit.settings;
    ++applied_.revision;
}

/// Where there is no way to go but on.
void Applier::write_or_log() const {
    if (const auto failure = write_down())
        hooks_.log("apply: what was done could not be written down: " + failure->detail);
}

std::optional<CommandFailure> Applier::write_down() const {
    try {
        hooks_.write_state();
    } catch (const Error& error) {
        return CommandFailure{Cause::Refused, error.what(), {}};
    }
    return std::nullopt;
}

void Applier::failed(const Operation& operation, const CommandFailure& failure, ApplyOutcome& outcome) const {
    outcome.failed = operation.title();
    outcome.reason = to_string(failure);
    outcome.origin = operation.origin;
    outcome.died = failure.cause == Cause::Gone;
    hooks_.log(fmt::format("apply: {} failed: {}", outcome.failed, outcome.reason));
}

void Applier::done(const Operation& operation, ApplyOutcome& outcome) const {
    outcome.done.push_back(operation.title());
    hooks_.log("apply: " + operation.title());
}

/// What is no command of QEMU's.
std::optional<CommandFailure> Applier::run_own(const Operation& operation) const {
    try {
        if (operation.kind == Kind::Settings) hooks_.set(operation.arguments);
        if (operation.kind == Kind::Limits) hooks_.limit(operation.arguments);
        if (operation.kind == Kind::TakeHelper) hooks_.take_helper(operation.arguments);
        if (operation.kind == Kind::EndHelper) hooks_.end_helper(operation.arguments);
    } catch (const std::exception& error) {
        return CommandFailure{Cause::Refused, error.what(), {}};
    }
    return std::nullopt;
}

awaitable<std::optional<CommandFailure>> Applier::perform(const Operation& operation) {
    std::optional<CommandFailure> failure;
    if (operation.kind == Kind::Command) {
        const auto fd = operation.fd.empty() ? fds_.end() : fds_.find(operation.fd);
        if (!operation.fd.empty() && fd == fds_.end())
            co_return CommandFailure{Cause::Refused, "its file could not be opened", {}};
        auto done = try_command(monitor_, operation.command, operation.arguments,
                                fd == fds_.end() ? -1 : fd->second.get());
        failure = co_await std::move(done);
        // Image locks live as long as any copy.
        if (fd != fds_.end()) fds_.erase(fd);
    } else if (operation.kind == Kind::QomSet) {
        auto done = try_command(monitor_, "qom-set", operation.arguments, -1);
        failure = co_await std::move(done);
    } else if (operation.kind == Kind::Grow) {
        auto grown = grow_node(monitor_, operation.arguments.at("node-name").get<std::string>(),
                               operation.arguments.at("size").get<std::uint64_t>());
        failure = co_await std::move(grown);
    } else {
        failure = run_own(operation);
    }
    if (failure && operation.may_fail && failure->cause == Cause::Refused) failure.reset();
    if (!failure) note_edit(operation.record);
    co_return failure;
}

/// One that is not undone, and the record of it.
awaitable<std::optional<CommandFailure>> Applier::run_one(const Operation& operation) {
    auto performed = perform(operation);
    auto failure = co_await std::move(performed);
    if (!failure && !operation.record.empty()) failure = write_down();
    co_return failure;
}

/// Puts what undoes it at the end of `undo`, in the order of doing.
awaitable<std::optional<CommandFailure>> Applier::find_way_back(const Operation& operation,
                                                                std::vector<Operation>& undo) {
    std::vector<Operation> way_back = operation.undo;
    if (operation.kind == Kind::QomSet) {
        Json old_value;
        const Json where = {{"path", operation.arguments.at("path")},
                            {"property", operation.arguments.at("property")}};
        auto got = try_command(monitor_, "qom-get", where, -1, &old_value);
        auto failure = co_await std::move(got);
        if (failure) co_return failure;
        Operation back = operation;
        back.arguments["value"] = std::move(old_value);
        back.record = {};
        for (const auto& saved : applied_.compiled.resources)
            if (saved.id == operation.resource) back.record.set = saved;
        way_back.push_back(std::move(back));
    }
    std::ranges::move(way_back.rbegin(), way_back.rend(), std::back_inserter(undo));
    co_return std::nullopt;
}

/// The way back is written down before the way is gone, and with it what was done until then.
awaitable<bool> Applier::run_undoable(const std::vector<Operation>& operations, ApplyOutcome& outcome) {
    auto& undo = applied_.in_flight->undo;
    for (const auto& operation : operations) {
        if (cancelled_) {
            outcome.cancelled = true;
            co_return false;
        }
        tell(ApplyStep::Doing::Step, operation.title());
        const auto before = static_cast<std::ptrdiff_t>(undo.size());
        auto found = find_way_back(operation, undo);
        auto failure = co_await std::move(found);
        if (!failure) failure = write_down();
        if (!failure) {
            auto performed = perform(operation);
            failure = co_await std::move(performed);
        }
        if (failure && failure->cause == Cause::TimedOut) {
            // It may be done yet.
            for (auto back = undo.begin() + before; back != undo.end(); ++back) back->may_fail = true;
            outcome.not_undone.push_back(operation.title() + ": it may still happen");
        } else if (failure) {
            undo.erase(undo.begin() + before, undo.end());
        }
        if (failure) {
            failed(operation, *failure, outcome);
            co_return false;
        }
        if (operation.lasting) applied_.in_flight->lasting.push_back(operation.title());
        done(operation, outcome);
    }
    co_return true;
}

/// In reverse. What cannot be undone is told, and the rest is undone all the same.
awaitable<void> Applier::undo_all(ApplyOutcome& outcome) {
    auto& undo = applied_.in_flight->undo;
    step_ = 0;
    steps_ = undo.size();
    cancelled_ = false;
    while (!undo.empty()) {
        const Operation operation = undo.back();
        tell(ApplyStep::Doing::Undoing, operation.title());
        if (operation.kind == Kind::Unplug) {
            auto gone = unplug({operation}, outcome);
            co_await std::move(gone);
            if (outcome.died) co_return;
            if (!kept_.empty() && kept_.back() == operation.device)
                outcome.not_undone.push_back(operation.title());
        } else if (!waits(operation)) {
            auto performed = perform(operation);
            const auto failure = co_await std::move(performed);
            if (failure)
                outcome.not_undone.push_back(fmt::format("{}: {}", operation.title(), to_string(*failure)));
        }
        undo.pop_back();
        write_or_log();
    }
    std::ranges::move(applied_.in_flight->lasting, std::back_inserter(outcome.not_undone));
    outcome.done.clear();
}

/// True when a device that must be gone before is still there.
bool Applier::waits(const Operation& operation) const {
    return std::ranges::any_of(
        operation.after, [&](const auto& device) { return std::ranges::find(kept_, device) != kept_.end(); });
}

/// Of what is replugged: its second half.
bool Applier::comes(const Operation& operation) {
    return !operation.undo.empty() || operation.kind == Kind::Grow;
}

/// What is left of the removals is written down with each one's record: a successor goes on.
awaitable<void> Applier::run_removals(ApplyOutcome& outcome) {
    auto& todo = applied_.in_flight->todo;
    const auto is_pending = [&](const std::string& device) {
        return std::ranges::any_of(applied_.pending, [&](const auto& p) { return p.device == device; });
    };
    while (!todo.empty()) {
        if (cancelled_) {
            outcome.cancelled = true;
            for (const auto& operation : todo) outcome.left.push_back(operation.title());
            co_return;
        }
        tell(ApplyStep::Doing::Step, todo.front().title());
        if (todo.front().kind == Kind::Unplug) {
            const auto end = std::ranges::find_if(todo, [](const auto& o) { return o.kind != Kind::Unplug; });
            step_ += static_cast<std::size_t>(end - todo.begin()) - 1;
            auto gone = unplug({todo.begin(), end}, outcome);
            co_await std::move(gone);
            if (outcome.died) co_return;
            todo.erase(todo.begin(),
                       std::ranges::find_if(todo, [](const auto& o) { return o.kind != Kind::Unplug; }));
            continue;
        }
        const Operation next = std::move(todo.front());
        todo.erase(todo.begin());
        // Of what is replugged: what did not go cannot come again.
        if (comes(next) && !kept_.empty()) continue;
        if (waits(next)) {
            // With the last of its devices it goes, too; where that was refused it stays.
            if (std::ranges::any_of(next.after, is_pending)) applied_.after_pending.push_back(next);
            continue;
        }
        auto run = run_one(next);
        const auto failure = co_await std::move(run);
        if (failure) {
            failed(next, *failure, outcome);
            for (const auto& operation : todo) outcome.left.push_back(operation.title());
            co_return;
        }
        done(next, outcome);
    }
}

/// While it lives, no other apply begins.
class Applier::Busy {
  public:
    explicit Busy(Applier& applier) : applier_(applier) {
        applier_.busy_ = true;
        applier_.cancelled_ = false;
        applier_.kept_.clear();
        applier_.step_ = applier_.steps_ = 0;
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() {
        applier_.busy_ = false;
        applier_.watcher_ = nullptr;
        applier_.fds_.clear();
        applier_.applied_.in_flight.reset();
    }

  private:
    Applier& applier_;
};

awaitable<ApplyOutcome> Applier::run(Operations operations, std::map<std::string, Fd> fds,
                                     std::chrono::milliseconds unplug_deadline, ApplyWatcher watcher) {
    ApplyOutcome outcome;
    {
        const Busy busy(*this);
        fds_ = std::move(fds);
        unplug_deadline_ = unplug_deadline;
        watcher_ = std::move(watcher);
        steps_ = operations.additions.size() + operations.changes.size() + operations.removals.size() +
                 operations.replugs.size();
        applied_.in_flight.emplace();
        auto running = run_parts(std::move(operations), outcome);
        co_await std::move(running);
    }
    if (!outcome.died) write_or_log();
    co_return outcome;
}

awaitable<void> Applier::run_parts(Operations operations, ApplyOutcome& outcome) {
    auto adding = run_undoable(operations.additions, outcome);
    bool good = co_await std::move(adding);
    if (good) {
        auto changing = run_undoable(operations.changes, outcome);
        good = co_await std::move(changing);
    }
    if (outcome.died) co_return;
    // Up to here all can be undone.
    if (good && cancelled_ && !(operations.removals.empty() && operations.replugs.empty())) {
        outcome.cancelled = true;
        good = false;
    }
    if (!good) {
        auto undoing = undo_all(outcome);
        co_await std::move(undoing);
        co_return;
    }
    for (auto* part : {&operations.removals, &operations.replugs}) {
        if (outcome.died || !outcome.failed.empty() || !kept_.empty() || part->empty()) continue;
        if (!begin_removals(std::move(*part), outcome)) {
            // Of what the first part has taken away, nothing comes back.
            if (applied_.in_flight->removing) co_return;
            auto undoing = undo_all(outcome);
            co_await std::move(undoing);
            co_return;
        }
        auto removing = run_removals(outcome);
        co_await std::move(removing);
    }
}

/// From here on nothing is undone. False, and nothing has begun, when that could not be written down.
bool Applier::begin_removals(std::vector<Operation> operations, ApplyOutcome& outcome) {
    const Operation first = operations.front();
    InFlight now{{}, std::move(operations), true, {}};
    std::swap(*applied_.in_flight, now);
    const auto failure = write_down();
    if (!failure) return true;
    std::swap(*applied_.in_flight, now);
    failed(first, *failure, outcome);
    if (applied_.in_flight->removing)
        for (const auto& operation : now.todo) outcome.left.push_back(operation.title());
    return false;
}

awaitable<std::string> Applier::resume() {
    std::string sentence;
    if (applied_.in_flight) {
        auto flight = resume_flight();
        sentence = co_await std::move(flight);
        hooks_.log(sentence);
    }
    auto looking = look_after_pending();
    co_await std::move(looking);
    co_return sentence;
}

awaitable<std::string> Applier::resume_flight() {
    ApplyOutcome outcome;
    const bool removing = applied_.in_flight->removing;
    {
        InFlight left = std::move(*applied_.in_flight);
        const Busy busy(*this);
        // What was to come again was opened by who is not there any more.
        const auto second_half = std::ranges::find_if(left.todo, comes);
        for (auto operation = second_half; operation != left.todo.end(); ++operation)
            outcome.left.push_back(operation->title());
        left.todo.erase(second_half, left.todo.end());
        // Each may have been done, or not have been done; and who was asked may have been asked.
        for (auto* operations : {&left.undo, &left.todo})
            for (auto& operation : *operations) operation.may_fail = true;
        for (const auto& operation : left.todo) {
            if (operation.kind != Kind::Unplug) break;
            applied_.pending.push_back({operation.device, operation.resource, true});
        }
        applied_.in_flight = std::move(left);
        auto rest = removing ? run_removals(outcome) : undo_all(outcome);
        co_await std::move(rest);
    }
    write_or_log();
    co_return sentence_of(outcome, removing);
}

bool Applier::cancel() {
    if (!busy_) return false;
    hooks_.log("apply: told to stop");
    cancelled_ = true;
    return true;
}

std::function<void(const std::exception_ptr&)> Applier::log_failure() const {
    return [log = hooks_.log](const std::exception_ptr& exception) {
        try {
            std::rethrow_exception(exception);
        } catch (const std::exception& error) {
            log(fmt::format("apply: {}", error.what()));
        }
    };
}

}  // namespace qvm::launch
