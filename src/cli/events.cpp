// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "qmp/async.hpp"
#include "shell/event_match.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm;
    std::string socket;
    std::vector<std::string> matches;
    std::size_t count = 0;  ///< 0: no limit
    std::string timeout;
};

enum class Ended { Counted, TimedOut, Disconnected };

qmp::net::awaitable<void> print_events(qmp::EventQueue& events, std::size_t count,
                                       std::optional<std::chrono::milliseconds> timeout, Ended& ended) {
    const auto begun = std::chrono::steady_clock::now();
    for (std::size_t seen = 0; count == 0 || seen < count; ++seen) {
        std::optional<std::chrono::milliseconds> left;
        if (timeout)
            left = std::chrono::duration_cast<std::chrono::milliseconds>(begun + *timeout -
                                                                         std::chrono::steady_clock::now());
        auto next = events.next(left);
        const auto event = co_await std::move(next);
        if (!event) {
            ended = events.ended() ? Ended::Disconnected : Ended::TimedOut;
            co_return;
        }
        if (const auto lost = events.take_dropped(); lost > 0)
            print_warning(fmt::format("{} events were lost: they came faster than they were read", lost));
        fmt::print("{}\n", event->to_json().dump(-1, ' ', false, Json::error_handler_t::replace));
        std::fflush(stdout);
    }
    ended = Ended::Counted;
}

ExitCode print_wanted(const Arguments& arguments) {
    std::optional<std::chrono::milliseconds> timeout;
    if (!arguments.timeout.empty()) {
        const auto parsed = parse_duration(arguments.timeout);
        if (const auto* why = std::get_if<std::string>(&parsed))
            throw Error(static_cast<ExitCode>(2), "--timeout: " + *why);
        timeout = std::get<std::chrono::milliseconds>(parsed);
    }
    std::vector<shell::EventMatch> matches(arguments.matches.begin(), arguments.matches.end());
    qmp::EventFilter filter;
    if (!matches.empty())
        filter = [matches](const qmp::Event& event) {
            return std::ranges::any_of(matches, [&](const shell::EventMatch& match) { return match(event); });
        };
    Attached attached =
        arguments.socket.empty() ? Attached(find_supervised_vm(arguments.vm)) : Attached(arguments.socket);
    auto queue = attached.client().subscribe(std::move(filter));
    Ended ended = Ended::Counted;
    attached.context().restart();
    qmp::run(attached.context(), print_events(queue, arguments.count, timeout, ended));
    switch (ended) {
        case Ended::Counted:
            return ExitCode::Ok;
        case Ended::TimedOut:
            return static_cast<ExitCode>(4);
        case Ended::Disconnected:
            return arguments.count == 0 ? ExitCode::Ok : static_cast<ExitCode>(3);
    }
    return ExitCode::Ok;
}

ExitCode events(const Arguments& arguments) {
    try {
        return print_wanted(arguments);
    } catch (const qmp::ConnectError& error) {
        print_error(error);
        return static_cast<ExitCode>(3);
    }
}

}  // namespace

void add_events(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("events", "Print a VM's QMP events as they come, one JSON object a line");
    auto arguments = std::make_shared<Arguments>();
    add_name(*verb, arguments->vm);
    verb->add_option(
            "--match", arguments->matches,
            "only these: a name or pattern, and conditions: 'BLOCK_JOB_* device=disk0'; may be given "
            "several times")
        ->type_name("EVENT")
        ->expected(1)
        ->take_all();
    verb->add_option("--socket", arguments->socket, "talk to this QMP socket; NAME is left out then")
        ->type_name("PATH");
    verb->add_option("--count", arguments->count, "end after so many events")->type_name("N");
    verb->add_option("--timeout", arguments->timeout, "end after so long, with status 4")
        ->type_name("DURATION");
    verb->callback([arguments, &action] { action = [arguments] { return events(*arguments); }; });
}

}  // namespace qvm::cli
