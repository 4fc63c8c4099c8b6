// SPDX-License-Identifier: GPL-3.0-or-later
// Commands that have to do with the server.
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/builtins.hpp"
#include "shell/event_match.hpp"
#include "shell/shell.hpp"

namespace qvm::shell::builtins {
namespace {

/// What is waited for, until it comes or the time is over: whichever is first calls done.
struct Waiting {
    explicit Waiting(boost::asio::io_context& context, Done d) : timer(context), done(std::move(d)) {}
    boost::asio::steady_timer timer;
    Done done;
    bool over = false;

    void end(bool succeeded) {
        if (std::exchange(over, true)) return;
        timer.cancel();
        done(succeeded);
    }
};

}  // namespace

void reconnect(Shell& shell, const BuiltinCall& /*call*/, const Done& done) {
    shell.here().reconnect(done);
}

void wait(Shell& shell, const BuiltinCall& call, const Done& done) {
    std::chrono::milliseconds timeout = std::chrono::seconds(30);
    std::string condition;
    for (const auto& word : call.words) {
        const auto parsed = parse_duration(word);
        if (condition.empty() || word.find('=') != std::string::npos)
            condition += (condition.empty() ? "" : " ") + word;
        else if (const auto* why = std::get_if<std::string>(&parsed))
            return fail(shell, done, "/wait: " + *why);
        else
            timeout = std::get<std::chrono::milliseconds>(parsed);
    }
    if (condition.empty())
        return fail(shell, done, "/wait: an event's name is missing, as in /wait STOP 10s");
    std::optional<EventMatch> match;
    try {
        match.emplace(condition);
    } catch (const Error& error) {
        return fail(shell, done, std::string("/wait: ") + error.what());
    }
    auto waiting = std::make_shared<Waiting>(shell.context(), done);
    waiting->timer.expires_after(timeout);
    waiting->timer.async_wait([&shell, waiting, condition, timeout](const boost::system::error_code& error) {
        if (error || waiting->over) return;
        shell.complain(fmt::format("{} did not come within {}", condition, format_duration(timeout)));
        waiting->end(false);
    });
    shell.here().on_event([waiting, match = *match](const qmp::Event& event) {
        if (waiting->over) return false;
        if (!match(event)) return true;
        waiting->end(true);
        return false;
    });
}

void job(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto& words = call.words;
    if (words.size() < 2 || words.size() > 3 || words[0] != "wait")
        return fail(shell, done, "/job: wait ID [TIMEOUT]; query-jobs lists the jobs");
    std::chrono::milliseconds timeout = std::chrono::minutes(10);
    if (words.size() == 3) {
        const auto parsed = parse_duration(words[2]);
        if (const auto* why = std::get_if<std::string>(&parsed)) return fail(shell, done, "/job: " + *why);
        timeout = std::get<std::chrono::milliseconds>(parsed);
    }
    const auto id = words[1];
    auto waiting = std::make_shared<Waiting>(shell.context(), done);
    const auto ended = [](const std::string& status) {
        return status == "concluded" || status == "null" || status == "aborting";
    };
    waiting->timer.expires_after(timeout);
    waiting->timer.async_wait([&shell, waiting, id, timeout](const boost::system::error_code& error) {
        if (error || waiting->over) return;
        shell.complain(fmt::format("job {} had not concluded within {}", id, format_duration(timeout)));
        waiting->end(false);
    });
    shell.here().on_event([waiting, id, ended](const qmp::Event& event) {
        if (waiting->over) return false;
        if (event.name != "JOB_STATUS_CHANGE" || event.data.value("id", "") != id) return true;
        if (!ended(event.data.value("status", ""))) return true;
        waiting->end(true);
        return false;
    });
    // It may have ended before we looked.
    shell.here().ask("query-jobs", Json::object(), [&shell, waiting, id, ended](const qmp::Answer& answer) {
        const auto* jobs = std::get_if<Json>(&answer.outcome);
        if (jobs == nullptr || !jobs->is_array() || waiting->over) return;
        for (const auto& one : *jobs) {
            if (one.value("id", "") != id) continue;
            if (ended(one.value("status", ""))) waiting->end(true);
            return;
        }
        shell.complain(fmt::format("there is no job '{}' (any longer)", id));
        waiting->end(false);
    });
}

void watch(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto word = call.words.empty() ? std::string("on") : call.words.front();
    if (word != "on" && word != "off") return fail(shell, done, "/watch: on or off");
    Json arguments = Json::object();
    arguments["enable"] = word == "on";
    shell.here().ask("__org.qvm_watch", arguments, [&shell, done, word](const qmp::Answer& answer) {
        if (std::holds_alternative<Json>(answer.outcome)) {
            shell.say(word == "on" ? "what other clients say is shown from now on"
                                   : "other clients are no longer shown");
            return done(true);
        }
        std::string why = "the connection ended";
        if (const auto* error = std::get_if<qmp::ErrorReply>(&answer.outcome))
            why = error->error_class == "CommandNotFound"
                      ? "only the attach socket of a VM that qvm supervises tells of its other clients"
                      : error->description;
        fail(shell, done, "/watch: " + why);
    });
}

}  // namespace qvm::shell::builtins
