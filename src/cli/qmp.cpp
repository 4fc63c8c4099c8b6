// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

// The exit statuses of the protocol verbs differ from the others': see qvm(1).
constexpr auto qemu_error = static_cast<ExitCode>(1);
constexpr auto usage = static_cast<ExitCode>(2);
constexpr auto socket_failed = static_cast<ExitCode>(3);
constexpr auto timed_out = static_cast<ExitCode>(4);

struct Arguments {
    std::string vm;
    std::string command;
    std::string json;
    std::string timeout = "30s";
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
std::string advice_on(const launch::VmState& vm, const qmp::ExecuteError& error) {
    if (error.error_class() != "CommandNotFound") return {};
    std::vector<std::string> names;
    try {
        for (const auto& command : Attached(vm).execute("query-commands", Json::object()))
            names.push_back(command.at("name"));
    } catch (const std::exception&) {
        return {};  // it has ended meanwhile: what QEMU said stands for itself
    }
    const auto hint = did_you_mean(error.command(), names);
    return fmt::format("{}{}`qvm qmp {} query-commands` lists them", hint, hint.empty() ? "" : "\n",
                       vm.name());
}

ExitCode qmp(const Arguments& arguments) {
    const auto timeout = parse_duration(arguments.timeout);
    if (const auto* why = std::get_if<std::string>(&timeout)) return fail(usage, "--timeout: " + *why);
    Json parameters = Json::object();
    if (!arguments.json.empty()) {
        parameters = Json::parse(arguments.json, nullptr, false);
        if (!parameters.is_object())
            return fail(usage, "the arguments must be one JSON object, as in '{\"id\": \"disk0\"}'");
    }
    const launch::VmState vm = find_supervised_vm(arguments.vm);
    try {
        const Json reply =
            Attached(vm).execute(arguments.command, parameters, std::get<std::chrono::milliseconds>(timeout));
        fmt::print("{}\n", reply.dump(2, ' ', false, Json::error_handler_t::replace));
        return ExitCode::Ok;
    } catch (const qmp::ExecuteError& error) {
        return fail(qemu_error, refusal(vm.name(), error), advice_on(vm, error));
    } catch (const qmp::InterruptedError& error) {
        const bool late = error.why() == qmp::InterruptedError::Why::DeadlinePassed;
        return fail(late ? timed_out : socket_failed, fmt::format("{}: {}", vm.name(), error.what()));
    } catch (const qmp::ConnectError& error) {
        return fail(socket_failed, error.what());
    }
}

}  // namespace

void add_qmp(CLI::App& app, Action& action) {
    auto* verb =
        app.add_subcommand("qmp", "Run one QMP command in a VM; the reply is JSON on standard output");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("name", arguments->vm, "the VM's name, or its file")->type_name("NAME")->required();
    verb->add_option("command", arguments->command, "the command: query-status, ...")
        ->type_name("COMMAND")
        ->required();
    verb->add_option("arguments", arguments->json, "its arguments: a JSON object")->type_name("JSON");
    verb->add_option("--timeout", arguments->timeout, "how long to wait for the reply; default 30s")
        ->type_name("DURATION");
    verb->callback([arguments, &action] { action = [arguments] { return qmp(*arguments); }; });
}

}  // namespace qvm::cli
