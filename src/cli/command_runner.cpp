// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/command_runner.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "shell/quoted.hpp"
#include "shell/schema_cache.hpp"

namespace qvm::cli {
namespace {

constexpr auto usage = static_cast<ExitCode>(2);
/// Questions that answers to questions may bring.
constexpr int most_rounds = 5;

qmp::ExecuteOptions within(std::chrono::milliseconds deadline) {
    qmp::ExecuteOptions options;
    options.deadline = deadline;
    return options;
}

std::string content_of(const std::string& path) {
    auto content = read_file(path);
    if (!content) throw SystemError("read '" + escape_controls(path) + "'", content.error, {}, usage);
    return std::move(content.bytes);
}

/// A whole message says a command in another way.
shell::Request to_request(const shell::RawMessage& message) {
    shell::Request request;
    request.oob = message.object.contains("exec-oob");
    const auto name = message.object.find(request.oob ? "exec-oob" : "execute");
    if (name == message.object.end() || !name->is_string())
        throw Error(usage, "this is no QMP command: it has no \"execute\" with a command's name");
    request.command = name->get<std::string>();
    if (message.object.contains("arguments")) request.arguments = message.object.at("arguments");
    if (!request.arguments.is_object())
        throw Error(usage, request.command + ": the arguments must be one JSON object");
    request.pipes = message.pipes;
    return request;
}

/// Throws what is to be said against it.
void refuse_mistakes(const shell::Entered& entered, bool force) {
    for (const auto& finding : entered.findings) {
        if (!finding.blocks && force) continue;
        std::string advice = finding.hint;
        if (!finding.blocks)
            advice += (advice.empty() ? "" : "\n") + std::string("--force sends it all the same");
        throw Error(usage, finding.message, advice);
    }
}

}  // namespace

qmp::net::awaitable<void> RemoteVocabulary::learn_schema(qmp::Client& client,
                                                         std::chrono::milliseconds deadline) {
    if (schema_asked_ || !client.greeting()) co_return;
    schema_asked_ = true;
    auto listed = client.execute("query-commands", Json::object(), within(deadline));
    try {
        const Json commands = co_await std::move(listed);
        for (const Json& command : commands)
            if (command.is_object() && command.contains("name") && command["name"].is_string())
                commands_.push_back(command["name"]);
        std::ranges::sort(commands_);
        const auto key = shell::schema_key(*client.greeting(), commands_);
        schema_ = shell::cached_schema(key);
        if (schema_) co_return;
        auto asked = client.execute("query-qmp-schema", Json::object(), within(deadline));
        const Json introspection = co_await std::move(asked);
        schema_ = qapi::Schema::parse(introspection);
        shell::cache_schema(key, *schema_);
    } catch (const qmp::ExecuteError&) {
        co_return;  // it has none
    }
}

qmp::net::awaitable<bool> RemoteVocabulary::learn_names(qmp::Client& client,
                                                        std::chrono::milliseconds deadline) {
    const auto wanted = live_.take_wanted();
    for (const auto& query : wanted) {
        bool refused = false;
        Json reply;
        auto asked = client.execute(query.command, query.arguments, within(deadline));
        try {
            reply = co_await std::move(asked);
        } catch (const qmp::ExecuteError&) {
            refused = true;
        }
        if (refused)
            live_.refuse(query);
        else
            live_.absorb(query, reply);
    }
    co_return !wanted.empty();
}

qmp::net::awaitable<void> CommandRunner::parse(std::string entry, shell::Entered& entered) {
    entered = shell::parse(entry, vocabulary_);
    if (entered.blocked()) co_return;
    if (entered.guessed && vocabulary_.schema() == nullptr) {
        auto learning = vocabulary_.learn_schema(client_, options_.deadline);
        co_await std::move(learning);
        if (vocabulary_.schema() != nullptr) entered = shell::parse(entry, vocabulary_);
    }
    for (int round = 0; round < most_rounds && vocabulary_.schema() != nullptr; ++round) {
        auto learning = vocabulary_.learn_names(client_, options_.deadline);
        const bool learnt = co_await std::move(learning);
        if (!learnt) co_return;
        entered = shell::parse(entry, vocabulary_);
    }
}

qmp::net::awaitable<std::optional<shell::Request>> CommandRunner::understand(std::string entry) {
    shell::Entered entered;
    auto parsing = parse(std::move(entry), entered);
    co_await std::move(parsing);
    if (std::holds_alternative<shell::BuiltinCall>(entered.what))
        throw Error(usage,
                    fmt::format("'/{}' is a command of the shell, not of QMP",
                                escape_controls(std::get<shell::BuiltinCall>(entered.what).name)),
                    "`qvm attach` starts the shell");
    refuse_mistakes(entered, options_.force);
    if (std::holds_alternative<shell::Nothing>(entered.what)) co_return std::nullopt;
    if (const auto* message = std::get_if<shell::RawMessage>(&entered.what)) co_return to_request(*message);
    auto request = std::get<shell::Request>(std::move(entered.what));
    if (request.background)
        throw Error(usage, fmt::format("{}: nothing runs in the background here: leave out the '&'",
                                       request.command));
    auto filling = fill_in(request, 0);
    co_await std::move(filling);
    co_return request;
}

qmp::net::awaitable<void> CommandRunner::fill_in(shell::Request& request, std::size_t depth) {
    const auto deferred = std::move(request.deferred);
    request.deferred.clear();
    for (const auto& later : deferred) {
        if (!later.command) {
            shell::fill_from_file(request, later, content_of(later.file));
            continue;
        }
        shell::Request inner = *later.command;
        auto filling = fill_in(inner, depth + 1);
        co_await std::move(filling);
        qmp::ExecuteOptions how = within(options_.deadline);
        how.oob = inner.oob;
        auto running = client_.execute(inner.command, inner.arguments, how);
        const Json reply = co_await std::move(running);
        try {
            shell::fill_from_reply(request, later, shell::apply(inner.pipes, reply));
        } catch (const shell::PipeError& error) {
            throw Error(usage, fmt::format("{}: {}", inner.command, error.what()));
        }
    }
}

qmp::net::awaitable<Json> CommandRunner::run(shell::Request request) {
    qmp::ExecuteOptions how = within(options_.deadline);
    how.oob = request.oob;
    auto running = client_.execute(request.command, request.arguments, how);
    Json reply = co_await std::move(running);
    try {
        co_return shell::apply(options_.pipes, shell::apply(request.pipes, std::move(reply)));
    } catch (const shell::PipeError& error) {
        throw Error(usage, fmt::format("{}: {}", request.command, error.what()), "the command has run");
    }
}

shell::PipeStage parse_reply_option(const std::string& path) {
    shell::PipeStage stage;
    try {
        stage.path = shell::parse_reply_path(path);
    } catch (const shell::PipeError& error) {
        throw Error(usage, fmt::format("--return: {}", error.what()));
    }
    return stage;
}

std::string joined_words(const std::vector<std::string>& words) {
    std::string entry;
    for (const std::string& word : words) {
        if (!entry.empty()) entry += ' ';
        const auto sign = word.find('=');
        const bool has_space = word.find_first_of(" \t\r\n") != std::string::npos;
        const bool is_bare = sign != std::string::npos && sign > 0 && word[sign - 1] != ':' &&
                             word.find_first_of(" \t\r\n{[\"'(") > sign && sign + 1 < word.size() &&
                             std::string_view("{[\"'@").find(word[sign + 1]) == std::string_view::npos &&
                             word.compare(sign + 1, 2, "$(") != 0;
        entry += words.size() > 1 && has_space && is_bare
                     ? word.substr(0, sign + 1) + shell::quote(std::string_view(word).substr(sign + 1))
                     : word;
    }
    return entry;
}

}  // namespace qvm::cli
