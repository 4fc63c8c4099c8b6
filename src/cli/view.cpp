// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/view.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/tcp_address.hpp"
#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "cli/verbs.hpp"
#include "launch/display_place.hpp"
#include "launch/find_program.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm;
    bool where = false;
};

launch::DisplayPlace place_of(const launch::VmState& vm) {
    const auto applied = vm.applied();
    if (!applied || vm.condition() == launch::Condition::Stopped) throw not_running(vm);
    if (auto place = launch::display_place(vm, applied->compiled)) return *place;
    throw Error(ExitCode::Usage, fmt::format("{} was started without a display", vm.name()),
                "say display = \"vnc\" in its file, and `qvm restart` it");
}

/// TigerVNC's, which knows how to reach a Unix socket. Debian gives others the plain name, too.
std::string vnc_viewer() {
    try {
        return launch::find_program("xtigervncviewer", {}).string();
    } catch (const Error&) {
        return launch::find_program("vncviewer", "tigervnc-viewer").string();
    }
}

std::string viewer_for(const launch::DisplayPlace& place) {
    return place.spice ? launch::find_program("remote-viewer", "virt-viewer").string() : vnc_viewer();
}

/// The words of the viewer: tigervnc's takes the path of a socket, or HOST::PORT; remote-viewer a URI.
std::vector<std::string> viewer_words(const launch::DisplayPlace& place) {
    std::string target = place.path;
    if (const auto address = parse_tcp_address(place.address)) {
        auto host = address->host;
        if (host == "0.0.0.0") host = "127.0.0.1";
        if (host == "::") host = "::1";
        if (host.find(':') != std::string::npos) host = '[' + host + ']';
        target = place.spice ? fmt::format("spice://{}:{}", host, address->port)
                             : fmt::format("{}::{}", host, address->port);
    } else if (place.spice) {
        target = "spice+unix://" + place.path;
    }
    return {place.spice ? "remote-viewer" : "vncviewer", target};
}

bool has_desktop() {
    return std::getenv("DISPLAY") != nullptr || std::getenv("WAYLAND_DISPLAY") != nullptr;
}

/// Runs it in a session of its own: what ends the terminal does not close the window, and what it says goes
/// to `output`.
void run_apart(const std::string& program, std::vector<std::string> words, const Fd& output) {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::fflush(nullptr);
    const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!nothing) throw_errno("open '/dev/null'");
    const pid_t child = ::fork();
    if (child < 0) throw_errno("start a viewer");
    if (child == 0) {
        ::setsid();
        for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(output.get(), stream);
        ::dup2(nothing.get(), STDIN_FILENO);
        // A lock, a pipe that a script waits for: whoever called us does not mean to give it to a window.
        ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
        // Its parent is nobody who would have to wait for it.
        if (::fork() == 0) {
            ::execv(program.c_str(), argv.data());
            ::dprintf(STDERR_FILENO, "cannot execute %s: %s\n", program.c_str(), std::strerror(errno));
            ::_exit(127);
        }
        ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
}

ExitCode view(const Arguments& arguments) {
    const launch::VmState vm = find_vm(arguments.vm);
    const auto place = place_of(vm);
    if (arguments.where) {
        fmt::print("{}\n", place.to_string());
        return ExitCode::Ok;
    }
    open_window(vm);
    return ExitCode::Ok;
}

}  // namespace

void open_window(const launch::VmState& vm) {
    const auto place = place_of(vm);
    if (!has_desktop())
        throw Error(ExitCode::HostCannot,
                    "no window can be opened here: neither DISPLAY nor WAYLAND_DISPLAY is set",
                    fmt::format("`qvm view {}` opens it from a desktop; `qvm view --where {}` tells a viewer "
                                "where to look",
                                vm.name(), vm.name()));
    // Clients of SPICE are let in by the supervisor.
    if (place.spice) find_supervised_vm(vm.name());
    run_apart(viewer_for(place), viewer_words(place), vm.open_file("view.log", O_WRONLY | O_CREAT | O_TRUNC));
}

void add_view(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("view", "Open a window to a VM's screen");
    auto arguments = std::make_shared<Arguments>();
    add_name(*verb, arguments->vm);
    verb->add_flag("--where", arguments->where, "only tell where it is served: a socket, or ADDRESS:PORT");
    verb->callback([arguments, &action] { action = [arguments] { return view(*arguments); }; });
}

}  // namespace qvm::cli
