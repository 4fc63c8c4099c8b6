// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/background.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.hpp"

namespace qvm::launch {
namespace {

/// One line of JSON.
void tell(int pipe, const Json& message) {
    const auto line = message.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
        const auto written = ::write(pipe, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

/// Nothing while there is more to come.
std::optional<UpOutcome> last_word(const Json& message, const ReportProgress& progress) {
    UpOutcome outcome;
    if (message.contains("running")) {
        outcome.running = true;
        outcome.notes = message.at("notes").get<std::vector<std::string>>();
        return outcome;
    }
    if (message.contains("failed")) {
        outcome.exit_code = static_cast<ExitCode>(message.at("exit").get<int>());
        outcome.failure = message.at("failed").get<std::string>();
        return outcome;
    }
    progress(message.at("progress").get<std::string>(), message.at("index").get<std::size_t>(),
             message.at("count").get<std::size_t>());
    return std::nullopt;
}

UpOutcome follow(int pipe, const ReportProgress& progress) {
    std::string text;
    char buffer[4096];
    for (;;) {
        const auto got = ::read(pipe, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
        for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
            const Json message = Json::parse(text.substr(0, end));
            text.erase(0, end + 1);
            if (auto outcome = last_word(message, progress)) return std::move(*outcome);
        }
    }
    UpOutcome outcome;
    outcome.exit_code = ExitCode::OutcomeUnknown;
    outcome.failure = "the supervisor died while it started the VM";
    return outcome;
}

}  // namespace

void Reporter::progress(const std::string& title, std::size_t index, std::size_t count) const {
    Json message = Json::object();
    message["progress"] = title;
    message["index"] = index;
    message["count"] = count;
    tell(pipe_.get(), message);
}

void Reporter::running(const std::vector<std::string>& notes) {
    Json message = Json::object();
    message["running"] = true;
    message["notes"] = notes;
    tell(pipe_.get(), message);
    pipe_.reset();
}

void Reporter::failed(const std::string& text, ExitCode code) {
    if (!pipe_) {
        std::fputs(text.c_str(), stderr);
        return;
    }
    Json message = Json::object();
    message["failed"] = text;
    message["exit"] = static_cast<int>(code);
    tell(pipe_.get(), message);
    pipe_.reset();
}

UpOutcome run_in_background(const std::function<int(Reporter report)>& child,
                            const std::function<void()>& parent, const ReportProgress& progress) {
    Pipe reports;
    std::fflush(nullptr);
    const pid_t process = ::fork();
    if (process < 0) throw_errno("start the supervisor");
    if (process == 0) {
        reports.read.reset();
        const int status = child(Reporter(std::move(reports.write)));
        std::fflush(nullptr);
        // Not exit(): what the parent had half done is not ours to finish.
        ::_exit(status);
    }
    reports.write.reset();
    parent();
    UpOutcome outcome = follow(reports.read.get(), progress);
    if (!outcome.running) ::waitpid(process, nullptr, 0);
    return outcome;
}

void leave_terminal(const VmState& state, bool new_log) {
    ::setsid();
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const Fd log = state.open_file("supervisor.log", O_RDWR | O_CREAT | O_APPEND | (new_log ? O_TRUNC : 0));
    ::dup2(null.get(), STDIN_FILENO);
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    ::signal(SIGHUP, SIG_IGN);
    // Whoever called may go before it has heard how it ended.
    ::signal(SIGPIPE, SIG_IGN);
    // The directory `up` was called from must stay removable.
    if (::chdir("/") != 0) throw_errno("change to the root directory");
}

}  // namespace qvm::launch
