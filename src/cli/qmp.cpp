// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/command_runner.hpp"
#include "cli/qmp_lines.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "qmp/async.hpp"
#include "shell/event_match.hpp"

namespace qvm::cli {
namespace {

// The exit statuses of the protocol verbs differ from the others': see qvm(1).
constexpr auto qemu_error = static_cast<ExitCode>(1);
constexpr auto usage = static_cast<ExitCode>(2);
constexpr auto socket_failed = static_cast<ExitCode>(3);
constexpr auto timed_out = static_cast<ExitCode>(4);

struct Arguments {
    std::vector<std::string> words;  ///< the VM, unless there is a socket, and the command
    std::string socket;
    std::string path;
    std::string wait;
    std::string timeout = "30s";
    bool force = false;
};

/// Whom we talk to, and how it is called in messages.
struct Peer {
    std::string name;
    std::optional<launch::VmState> vm;  ///< nothing: a socket

    Attached attach() const { return vm ? Attached(*vm) : Attached(name); }
};

ExitCode fail(ExitCode code, const std::string& text, const std::string& advice = {}) {
    std::fputs(describe(Error(code, text, advice)).c_str(), stderr);
    return code;
}

/// The description of what qvm itself refused begins with the command.
std::string refusal(const std::string& name, const qmp::ExecuteError& error) {
    const auto begin = error.command() + ": ";
    return fmt::format("{}: {}{} ({})", name, error.description().starts_with(begin) ? "" : begin,
                       error.description(), error.error_class());
}

/// The nearest of the commands there are.
std::string advice_on(const Peer& peer, const qmp::ExecuteError& error) {
    if (error.error_class() != "CommandNotFound") return {};
    std::vector<std::string> names;
    try {
        for (const auto& command : peer.attach().execute("query-commands", Json::object()))
            names.push_back(command.at("name"));
    } catch (const std::exception&) {
        return {};  // it has ended meanwhile: what QEMU said stands for itself
    }
    const auto hint = did_you_mean(error.command(), names);
    return fmt::format("{}{}`qvm qmp {}{} query-commands` lists them", hint, hint.empty() ? "" : "\n",
                       peer.vm ? "" : "--socket ", peer.name);
}

void print(const Json& value) {
    fmt::print("{}\n", value.dump(2, ' ', false, Json::error_handler_t::replace));
    std::fflush(stdout);
}

/// One command, and the event that was to be waited for.
qmp::net::awaitable<void> run_one(qmp::Client& client, CommandRunner::Options options, std::string entry,
                                  std::optional<shell::EventMatch> wait, ExitCode& status) {
    using Clock = std::chrono::steady_clock;
    const auto until = qmp::deadline_after(options.deadline);
    std::optional<qmp::EventQueue> events;
    if (wait)
        events.emplace(client.subscribe([match = *wait](const qmp::Event& event) { return match(event); }));
    CommandRunner runner(client, std::move(options));
    auto understanding = runner.understand(std::move(entry));
    auto request = co_await std::move(understanding);
    if (!request) throw Error(usage, "there is no command to run");
    auto running = runner.run(std::move(*request));
    const Json reply = co_await std::move(running);
    print(reply);
    if (!events) co_return;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    auto waiting = events->next(std::max(left, std::chrono::milliseconds(0)));
    const auto event = co_await std::move(waiting);
    if (event)
        print(event->to_json());
    else
        status = events->ended() ? socket_failed : timed_out;
}

ExitCode run_command(const Arguments& arguments, const Peer& peer, const std::vector<std::string>& words,
                     CommandRunner::Options options) {
    std::optional<shell::EventMatch> wait;
    if (!arguments.wait.empty()) wait.emplace(arguments.wait);
    Attached attached = peer.attach();
    ExitCode status = ExitCode::Ok;
    attached.context().restart();
    qmp::run(attached.context(),
             run_one(attached.client(), std::move(options), joined_words(words), wait, status));
    if (status == timed_out)
        return fail(status,
                    fmt::format("{}: no {} came within {}", peer.name, escape_controls(arguments.wait),
                                arguments.timeout),
                    "the command has run");
    if (status == socket_failed)
        return fail(status,
                    fmt::format("{}: the connection ended before {} came", peer.name,
                                escape_controls(arguments.wait)),
                    "the command has run");
    return status;
}

ExitCode talk(const Arguments& arguments, const Peer& peer, const std::vector<std::string>& words,
              const CommandRunner::Options& options) {
    try {
        if (words.size() == 1 && words[0] == "-") {
            Attached attached = peer.attach();
            return run_lines(attached, options);
        }
        return run_command(arguments, peer, words, options);
    } catch (const qmp::ExecuteError& error) {
        return fail(qemu_error, refusal(peer.name, error), advice_on(peer, error));
    } catch (const qmp::InterruptedError& error) {
        const bool late = error.why() == qmp::InterruptedError::Why::DeadlinePassed;
        return fail(late ? timed_out : socket_failed, fmt::format("{}: {}", peer.name, error.what()));
    } catch (const qmp::ConnectError& error) {
        return fail(socket_failed, error.what(), error.advice());
    } catch (const qmp::StateError& error) {
        return fail(usage, fmt::format("{}: {}", peer.name, error.what()));
    } catch (const qmp::ProtocolError& error) {
        return fail(usage, fmt::format("{}: {}", peer.name, error.what()));
    }
}

ExitCode qmp(const Arguments& arguments) {
    const auto timeout = parse_duration(arguments.timeout);
    if (const auto* why = std::get_if<std::string>(&timeout)) return fail(usage, "--timeout: " + *why);
    CommandRunner::Options options;
    options.deadline = std::get<std::chrono::milliseconds>(timeout);
    options.force = arguments.force;
    if (!arguments.path.empty()) options.pipes.push_back(parse_reply_option(arguments.path));
    std::vector<std::string> words = arguments.words;
    Peer peer;
    if (!arguments.socket.empty()) {
        peer.name = arguments.socket;
    } else if (!words.empty()) {
        peer.vm = find_supervised_vm(words.front());
        peer.name = peer.vm->name();
        words.erase(words.begin());
    }
    if (words.empty())
        return fail(usage, "a command is missing",
                    "as in `qvm qmp NAME query-status`; `-` reads commands from standard input");
    if (words.size() == 1 && words[0] == "-" && !arguments.wait.empty())
        return fail(usage, "--wait is of one command, and - reads many");
    return talk(arguments, peer, words, options);
}

}  // namespace

void add_qmp(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand(
        "qmp", "Run a QMP command in a VM, or many from standard input; replies are JSON on standard output");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("words", arguments->words,
                     "the VM's name, or its file; then a command and its arguments (name=value, or a JSON "
                     "object), or - for commands on standard input, one a line: see qvm-shell(7)")
        ->type_name("NAME COMMAND");
    verb->add_option("--return,-r", arguments->path, "print only this part of the reply: .[0].name")
        ->type_name("PATH");
    verb->add_option("--wait", arguments->wait,
                     "after the reply wait for this event, and print it: 'DEVICE_DELETED device=disk0'")
        ->type_name("EVENT");
    verb->add_option("--timeout", arguments->timeout, "how long to wait; default 30s")->type_name("DURATION");
    verb->add_flag("--force", arguments->force, "send what does not fit the server's schema, too");
    verb->add_option("--socket", arguments->socket, "talk to this QMP socket; NAME is left out then")
        ->type_name("PATH");
    verb->callback([arguments, &action] { action = [arguments] { return qmp(*arguments); }; });
}

}  // namespace qvm::cli
