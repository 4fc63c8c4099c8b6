// SPDX-License-Identifier: GPL-3.0-or-later
// Devices on their way out: the guest is asked, and lets go when it likes.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "launch/applier.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

using qmp::net::awaitable;
using Clock = std::chrono::steady_clock;
using Cause = StepError::Cause;

/// A guest that was not ready for it has forgotten; sooner, native hotplug would take it for "never mind".
constexpr std::chrono::seconds ask_again_after{6};
/// What QEMU refuses now it may take later.
constexpr std::chrono::seconds ask_refused_after{1};
/// While it waits for the guest.
constexpr std::chrono::milliseconds look_for_cancel{100};

/// Status bytes of ACPI's _OST for an ejection (source 3): 0 is done, 0x84 under way.
bool is_refusal(const Json& ost) {
    constexpr int ejection = 3, done = 0, in_progress = 0x84;
    const int status = ost.value("status", done);
    return ost.value("source", 0) == ejection && status != done && status != in_progress;
}

bool is_processor_gone(const Json& ost) {
    constexpr int ejection = 3, done = 0;
    return ost.value("slot-type", "") == "CPU" && ost.value("source", 0) == ejection &&
           ost.value("status", -1) == done;
}

}  // namespace

/// One device on its way out.
struct Applier::Unplugging {
    enum class Is { ToBeAsked, Asked, Gone, Deferred, Refused };
    Operation operation;
    Is state = Is::ToBeAsked;
    bool was_asked = false;  ///< once or more, now or by an apply before
    Clock::time_point asked{};
    std::string why;  ///< what QEMU said last
};

/// Another apply waits for it now.
void Applier::take_over_pending(const std::string& device) {
    std::erase_if(applied_.pending, [&](const auto& pending) { return pending.device == device; });
    std::erase_if(applied_.after_pending, [&](const auto& operation) {
        return std::ranges::find(operation.after, device) != operation.after.end();
    });
}

awaitable<bool> Applier::is_there(std::string device) {
    Json list;
    auto asked = try_command(monitor_, "qom-list", {{"path", "/machine/peripheral"}}, -1, &list);
    const auto failure = co_await std::move(asked);
    if (failure) co_return true;
    co_return std::ranges::any_of(list, [&](const Json& child) { return child.value("name", "") == device; });
}

/// Sends device_del for each that was not asked yet. What is refused now may be taken a second later.
awaitable<void> Applier::ask(std::vector<Unplugging>& devices) {
    using Is = Unplugging::Is;
    for (auto& device : devices) {
        if (device.state != Is::ToBeAsked) continue;
        auto asked = try_command(monitor_, "device_del", {{"id", device.operation.device}}, -1);
        const auto failure = co_await std::move(asked);
        device.asked = Clock::now();
        if (!failure) {
            hooks_.log("apply: asking the guest to let go of " + device.operation.resource);
            device.state = Is::Asked;
            device.was_asked = true;
            continue;
        }
        device.why = to_string(*failure);
        auto there = is_there(device.operation.device);
        if (!co_await std::move(there))
            device.state = Is::Gone;
        else if (device.was_asked)
            device.state = Is::Asked;  // it is told that it was asked already
    }
}

/// Of a processor, DEVICE_DELETED comes late, or never: with TCG something holds the object.
awaitable<void> Applier::look_for_gone(std::vector<Unplugging>& devices) {
    for (auto& device : devices) {
        if (device.state != Unplugging::Is::Asked) continue;
        auto there = is_there(device.operation.device);
        if (!co_await std::move(there)) device.state = Unplugging::Is::Gone;
    }
}

awaitable<void> Applier::wait_for_guest(qmp::EventQueue& events, std::vector<Unplugging>& devices) {
    using Is = Unplugging::Is;
    const auto end = Clock::now() + unplug_deadline_;
    const auto open = [](const Unplugging& device) {
        return device.state == Is::Asked || device.state == Is::ToBeAsked;
    };
    auto try_again = Clock::now() + ask_refused_after;
    while (std::ranges::any_of(devices, open)) {
        // As if the time were over.
        if (std::exchange(cancelled_, false)) co_return;
        const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        if (rest.count() <= 0) co_return;
        auto next = events.next(std::min(rest, look_for_cancel));
        const auto event = co_await std::move(next);
        if (!event) {
            if (events.ended()) co_return;
            if (Clock::now() < try_again) continue;
            try_again = Clock::now() + ask_refused_after;
            for (auto& device : devices)
                if (device.state == Is::Asked && Clock::now() - device.asked > ask_again_after)
                    device.state = Is::ToBeAsked;
            auto again = ask(devices);
            co_await std::move(again);
            continue;
        }
        const Json& info =
            event->name == "ACPI_DEVICE_OST" ? event->data.value("info", Json::object()) : event->data;
        if (is_processor_gone(info)) {
            auto looked = look_for_gone(devices);
            co_await std::move(looked);
            continue;
        }
        for (auto& device : devices) {
            if (info.value("device", "") != device.operation.device) continue;
            if (event->name == "DEVICE_DELETED") {
                device.state = Is::Gone;
            } else if (event->name != "ACPI_DEVICE_OST" || is_refusal(info)) {
                device.state = Is::Refused;
                device.why = "the guest refused to let it go";
            }
        }
    }
}

/// What has gone is written down; what has not is remembered.
awaitable<void> Applier::settle(std::vector<Unplugging>& devices, ApplyOutcome& outcome) {
    using Is = Unplugging::Is;
    for (auto& device : devices) {
        const auto& operation = device.operation;
        if (device.state == Is::Asked || device.state == Is::ToBeAsked) {
            auto there = is_there(operation.device);
            if (!co_await std::move(there)) device.state = Is::Gone;
        }
        if (device.state == Is::Gone) {
            note_edit(operation.record);
            done(operation, outcome);
            continue;
        }
        kept_.push_back(operation.device);
        if (device.state == Is::Refused || (device.state == Is::ToBeAsked && !device.was_asked)) {
            outcome.refused.push_back(fmt::format("{}: {}", operation.resource, device.why));
            continue;
        }
        const bool asked = device.state != Is::Deferred;
        applied_.pending.push_back({operation.device, operation.resource, asked});
        (asked ? outcome.pending : outcome.deferred).push_back(operation.resource);
    }
    write_or_log();
}

awaitable<void> Applier::unplug(std::vector<Operation> group, ApplyOutcome& outcome) {
    using Is = Unplugging::Is;
    auto events = monitor_.subscribe([](const qmp::Event& event) {
        return event.name == "DEVICE_DELETED" || event.name == "DEVICE_UNPLUG_GUEST_ERROR" ||
               event.name == "MEM_UNPLUG_ERROR" || event.name == "ACPI_DEVICE_OST";
    });
    Json status;
    auto asked = try_command(monitor_, "query-status", nullptr, -1, &status);
    const auto failure = co_await std::move(asked);
    const bool runs = !failure && status.value("running", false);
    std::vector<Unplugging> devices;
    for (auto& operation : group) {
        Unplugging device{std::move(operation)};
        const auto before =
            std::ranges::find(applied_.pending, device.operation.device, &PendingUnplug::device);
        device.was_asked = before != applied_.pending.end() && before->asked;
        take_over_pending(device.operation.device);
        // Asking a guest that does not run would spoil the device for good.
        if (device.state == Is::ToBeAsked && device.operation.needs_guest && !runs)
            device.state = Is::Deferred;
        devices.push_back(std::move(device));
    }
    auto first = ask(devices);
    co_await std::move(first);
    for (const auto& device : devices)
        if (device.state == Is::Asked || device.state == Is::ToBeAsked) {
            tell(ApplyStep::Doing::Waiting, device.operation.resource);
            break;
        }
    auto waiting = wait_for_guest(events, devices);
    co_await std::move(waiting);
    if (events.ended()) {
        failed(devices.front().operation, {Cause::Gone, {}, {}}, outcome);
        co_return;
    }
    auto settled = settle(devices, outcome);
    co_await std::move(settled);
}

/// What the guest has let go while nobody was listening.
awaitable<void> Applier::look_after_pending() {
    std::vector<std::string> devices;
    for (const auto& pending : applied_.pending) devices.push_back(pending.device);
    for (const auto& device : devices) {
        auto there = is_there(device);
        if (co_await std::move(there)) continue;
        auto finishing = finish(device);
        co_await std::move(finishing);
    }
    if (applied_.pending.empty()) co_return;
    Json status;
    auto asked = try_command(monitor_, "query-status", nullptr, -1, &status);
    const auto failure = co_await std::move(asked);
    if (failure || !status.value("running", false)) co_return;
    auto asking = ask_deferred();
    co_await std::move(asking);
}

void Applier::note(const qmp::Event& event) {
    if (event.name == "DEVICE_DELETED") {
        const auto device = event.data.value("device", "");
        if (std::ranges::any_of(applied_.pending, [&](const auto& p) { return p.device == device; }))
            qmp::spawn(context_, finish(device), log_failure());
    }
    // TCG tells of a processor that has gone late, or never.
    if (event.name == "ACPI_DEVICE_OST" && is_processor_gone(event.data.value("info", Json::object())) &&
        !applied_.pending.empty() && !busy_)
        qmp::spawn(context_, look_after_pending(), log_failure());
    if (event.name == "RESUME") qmp::spawn(context_, ask_deferred(), log_failure());
}

/// A device that was pending has gone: what it stood on goes, too.
awaitable<void> Applier::finish(std::string device) {
    const auto pending = std::ranges::find(applied_.pending, device, &PendingUnplug::device);
    if (pending == applied_.pending.end()) co_return;
    hooks_.log(fmt::format("apply: {} has gone at last", pending->resource));
    const RecordEdit gone{{}, pending->resource, {}};
    applied_.pending.erase(pending);
    std::erase(kept_, device);
    note_edit(gone);
    const auto still_waits = [&](const Operation& operation) {
        return std::ranges::any_of(operation.after, [&](const auto& id) {
            return std::ranges::any_of(applied_.pending, [&](const auto& p) { return p.device == id; });
        });
    };
    std::vector<Operation> ready;
    for (const auto& operation : applied_.after_pending)
        if (!still_waits(operation)) ready.push_back(operation);
    std::erase_if(applied_.after_pending, [&](const auto& operation) { return !still_waits(operation); });
    for (const auto& operation : ready) {
        auto run = run_one(operation);
        const auto failure = co_await std::move(run);
        if (failure) hooks_.log(fmt::format("apply: {}: {}", operation.title(), to_string(*failure)));
    }
    write_or_log();
}

/// The guest runs again: now it can be asked.
awaitable<void> Applier::ask_deferred() {
    std::vector<std::string> devices;
    for (auto& pending : applied_.pending)
        if (!pending.asked) {
            pending.asked = true;
            devices.push_back(pending.device);
        }
    for (const auto& device : devices) {
        auto asked = try_command(monitor_, "device_del", {{"id", device}}, -1);
        const auto failure = co_await std::move(asked);
        if (failure) hooks_.log(fmt::format("apply: device_del {}: {}", device, to_string(*failure)));
    }
    if (!devices.empty()) write_or_log();
}

}  // namespace qvm::launch
