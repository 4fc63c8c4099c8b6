// SPDX-License-Identifier: GPL-3.0-or-later
// The table of contents: which verbs there are, and what becomes of their failures.
#include <csignal>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <unistd.h>
#include <variant>

#include <CLI/CLI.hpp>

#include "base/error.hpp"
#include "base/version.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"

namespace {

using qvm::ExitCode;

/// What the arguments ask for; or the exit status when there is nothing to run. Describing all verbs takes
/// some memory, which is free again before any of them runs: some run for as long as a VM.
std::variant<qvm::cli::Action, int> parse(int argc, char** argv) {
    CLI::App app{"Boots virtual machines that are described in TOML, contained, and talks to them.", "qvm"};
    app.set_version_flag("--version", std::string("qvm ") + qvm::version);
    app.require_subcommand(1);
    app.get_formatter()->column_width(34);
    qvm::cli::Action action;
    using namespace qvm::cli;
    for (const auto add : {add_up,
                           add_apply,
                           add_check,
                           add_plan,
                           add_diff,
                           add_show,
                           add_explain,
                           add_new,
                           add_schema,
                           add_import,
                           add_fmt,
                           add_ls,
                           add_status,
                           add_console,
                           add_ssh,
                           add_view,
                           add_screenshot,
                           add_log,
                           add_attach,
                           add_qmp,
                           add_events,
                           add_adopt,
                           add_pause_resume_reset,
                           add_stop,
                           add_restart,
                           add_kill,
                           add_rm,
                           add_jail,
                           add_version})
        add(app, action);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        print_usage_error(app, error);
        const auto* jail = app.get_subcommand("jail");
        const bool for_a_command = jail->parsed() && jail->get_subcommands().empty();
        const bool for_ssh = app.get_subcommand("ssh")->parsed();
        return static_cast<int>(for_a_command || for_ssh ? command_failed : ExitCode::Usage);
    }
    return action;
}

int parse_and_run(int argc, char** argv) {
    const auto parsed = parse(argc, argv);
    if (const auto* status = std::get_if<int>(&parsed)) return *status;
    return static_cast<int>(std::get<qvm::cli::Action>(parsed)());
}

}  // namespace

namespace {

/// What our caller may have left us in a state that no one expects.
void normalize_process() {
    // Or the first file we open becomes the standard output of something.
    for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR))
        if (fd > STDERR_FILENO) {
            ::close(fd);
            break;
        }
    // An ignored SIGCHLD would make children vanish before we learn how they ended.
    std::signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    normalize_process();
    // A reader that goes away (qvm ls | head -1) must end us like any filter; sockets are written without
    // signals.
    std::signal(SIGPIPE, SIG_DFL);
    try {
        return parse_and_run(argc, argv);
    } catch (const qvm::Error& error) {
        qvm::cli::print_error(error);
        return static_cast<int>(error.exit_code());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "qvm: internal error: %s\n", error.what());
        return static_cast<int>(ExitCode::Usage);
    }
}
