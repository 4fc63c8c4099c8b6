// SPDX-License-Identifier: GPL-3.0-or-later
// The jailer as a tool of its own, and what belongs to it.
#include <algorithm>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "cli/jail_verbs.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/command.hpp"

namespace qvm::cli {
namespace {

void expect_open(const std::vector<int>& wanted) {
    const auto open = open_descriptors(STDERR_FILENO + 1);
    for (const int fd : wanted)
        if (std::ranges::find(open, fd) == open.end())
            throw Error(ExitCode::Usage, fmt::format("--fd {}: descriptor {} is not open here", fd, fd),
                        fmt::format("a shell opens it so: qvm jail --fd {0} -- CMD {0}<FILE", fd));
}

/// The command's own status; 125 is ours.
ExitCode jail(const launch::CommandWords& words) {
    try {
        expect_open(words.fds);
        return static_cast<ExitCode>(launch::shell_status(launch::run_command(launch::command_spec(words))));
    } catch (const Error& error) {
        print_error(error);
        // `qvm jail plna` is a command too, only that nobody has it.
        const std::vector<std::string> verbs{"plan", "log"};
        if (error.exit_code() == ExitCode::HostCannot && words.command.size() <= 2)
            if (const auto verb = nearest(words.command.front(), verbs))
                std::fprintf(stderr, "      = or did you mean `qvm jail %s`?\n", verb->c_str());
        return command_failed;
    }
}

}  // namespace

void add_jail(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("jail", "Run any command in a jail, or look at the jail of a VM");
    auto words = std::make_shared<launch::CommandWords>();
    verb->add_option("--profile", words->profile,
                     "what the jail allows: command (default), passt, qemu, qemu-storage-daemon, swtpm or "
                     "virtiofsd");
    verb->add_option("--bind-ro", words->bind_ro, "show a file or directory of the host, read-only")
        ->type_name("SRC[:DST]")
        ->allow_extra_args(false);
    verb->add_option("--bind-rw", words->bind_rw, "the same, writable and without execution")
        ->type_name("SRC[:DST]")
        ->allow_extra_args(false);
    verb->add_option("--tmpfs", words->tmpfs, "an empty writable directory of 1 MiB in memory")
        ->type_name("DIR")
        ->allow_extra_args(false);
    verb->add_option("--net", words->net, "the network: none, or that of the host")->type_name("none|host");
    verb->add_option("--env", words->env, "set a variable, or hand on ours of that name")
        ->type_name("NAME[=VALUE]")
        ->allow_extra_args(false);
    verb->add_option("--fd", words->fds, "keep an open descriptor, under its number")
        ->type_name("N")
        ->allow_extra_args(false);
    verb->add_option("--limit", words->limits, "nofile, nproc, fsize, as, core or cpu")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    verb->add_option("--uid", words->uid, "as root: the host's uid and gid it has; never 0");
    verb->add_option("--landlock", words->landlock, "auto: where the kernel has it (default), require or off")
        ->type_name("WORD");
    verb->add_flag("--proc", words->proc, "mount /proc, with the jail's own processes only");
    verb->add_flag("--log", words->log, "the kernel logs refused system calls: see qvm jail log");
    verb->add_option("command", words->command, "the command and its arguments, after --")->type_name("CMD");
    add_jail_plan(*verb, action);
    add_jail_log(*verb, action);
    verb->callback([verb, words, &action] {
        if (verb->get_subcommands().empty()) action = [words] { return jail(*words); };
    });
}

}  // namespace qvm::cli
