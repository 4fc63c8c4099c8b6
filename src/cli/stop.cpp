// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/start_stop.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/control.hpp"
#include "launch/hooks.hpp"
#include "launch/shutdown.hpp"
#include "qmp/async.hpp"

namespace qvm::cli {
namespace {

using std::chrono::milliseconds;

/// Beyond the guest's own time: quit, kill and tidying up.
constexpr milliseconds grace{20'000};

qmp::net::awaitable<void> shut_down_into(qmp::Client& client, const PidFd& stub, milliseconds timeout,
                                         std::string& detail) {
    auto down = launch::shut_down(client, stub, timeout);
    const auto way = co_await std::move(down);
    detail = launch::describe(way, timeout);
}

/// Nobody supervises it: speak to QEMU's own monitor, and tidy up after it.
std::string stop_orphan(launch::VmState& vm, Attached& attached, milliseconds timeout) {
    const auto applied = vm.applied();
    const PidFd stub = applied ? applied->stub.open() : PidFd();
    if (!stub)
        throw Error(ExitCode::OutcomeUnknown, fmt::format("{} runs, but its process is not known", vm.name()),
                    fmt::format("`qvm kill {}` ends it at once", vm.name()));
    std::string detail;
    attached.context().restart();
    qmp::run(attached.context(), shut_down_into(attached.client(), stub, timeout, detail));
    wait_until_stopped(vm, grace);
    tidy_up_orphan(vm, "stopped", detail);
    return detail;
}

/// It can be stopped without a supervisor, too, only less well.
void try_to_adopt(launch::VmState& vm) {
    try {
        adopt_orphan(vm);
    } catch (const Error& error) {
        print_warning(error.what());
    }
}

/// How it went.
std::string stop_running(launch::VmState& vm, milliseconds timeout) {
    try {
        Attached attached(vm);
        if (attached.orphaned()) return stop_orphan(vm, attached, timeout);
        Json request = Json::object();
        request["timeout-ms"] = timeout.count();
        return attached.execute(launch::control::stop, request, timeout + grace).value("detail", "");
    } catch (const Error&) {
        // It may have ended by itself before it could be asked, or while it was: that is what we are for.
        if (!wait_until_stopped(vm, milliseconds(2'000))) throw;
        const auto applied = vm.applied();
        return applied && applied->ended.is_object() ? applied->ended.value("detail", "")
                                                     : "it ended by itself";
    }
}

}  // namespace

ExitCode stop(const StopArguments& arguments) {
    launch::VmState vm = find_vm(arguments.vm);
    if (vm.condition() == launch::Condition::Stopped) {
        tidy_up_after_end(vm);
        fmt::print("{}: is not running\n", vm.name());
        return ExitCode::Ok;
    }
    const Fd lock = lock_when_settled(vm, std::chrono::minutes(2));
    const auto applied = vm.applied();
    milliseconds timeout = applied ? applied->stop_timeout : milliseconds(30'000);
    if (!arguments.timeout.empty()) {
        const auto parsed = parse_duration(arguments.timeout);
        if (const auto* why = std::get_if<std::string>(&parsed))
            throw Error(ExitCode::Usage, "--timeout: " + *why);
        timeout = std::get<milliseconds>(parsed);
    }
    std::string detail;
    if (vm.condition() != launch::Condition::Stopped) {
        try_to_adopt(vm);
        detail = stop_running(vm, timeout);
    }
    if (!wait_until_stopped(vm, applied ? launch::patience_for_end(*applied, grace) : grace))
        throw Error(ExitCode::TimedOut, fmt::format("{} is still ending", vm.name()),
                    "`qvm kill` ends it at once");
    fmt::print("{}: stopped: {}\n", vm.name(), detail);
    return ExitCode::Ok;
}

void add_stop(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("stop", "Let a VM power off; end it when it does not");
    auto arguments = std::make_shared<StopArguments>();
    add_name(*verb, arguments->vm);
    verb->add_option("--timeout", arguments->timeout,
                     "how long the guest may take (\"30s\"); default: the file's lifecycle.stop-timeout")
        ->type_name("DURATION");
    verb->callback([arguments, &action] { action = [arguments] { return stop(*arguments); }; });
}

}  // namespace qvm::cli
