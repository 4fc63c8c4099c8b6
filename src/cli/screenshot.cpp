// SPDX-License-Identifier: GPL-3.0-or-later
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/file.hpp"
#include "cli/attach.hpp"
#include "cli/reference.hpp"
#include "cli/user_file.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm, file, device;
    int head = 0;
    bool force = false;
};

constexpr const char* standard_output = "-";

/// QEMU writes PNG from 7.1 on.
std::string format_of(const std::string& file) {
    if (file == standard_output || file.ends_with(".png")) return "png";
    if (file.ends_with(".ppm")) return "ppm";
    throw Error(ExitCode::Usage, fmt::format("'{}' says no format that QEMU writes", file),
                "call it .png or .ppm, or - for PNG on standard output");
}

std::string usual_file(const std::string& vm) {
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    return fmt::format("{}-{:%Y%m%d-%H%M%S}.png", vm, fmt::localtime(now));
}

[[noreturn]] void throw_refused(const std::string& vm, const qmp::ExecuteError& error) {
    const bool no_screen = error.description().find("no console") != std::string::npos;
    throw Error(ExitCode::HostCannot, fmt::format("{}: QEMU made no picture: {}", vm, error.description()),
                no_screen ? "video = true in its file gives it a screen, from its next start on" : "");
}

/// In memory: a picture that fails is not half a file.
std::string take_picture(Attached& attached, const Arguments& arguments, const std::string& format,
                         const std::string& vm) {
    const Fd memory(::memfd_create("screenshot", MFD_CLOEXEC));
    if (!memory) throw_errno("make a file in memory");
    const auto path = fmt::format("/proc/self/fd/{}", memory.get());
    // QEMU takes of a set only what was opened as it would open it itself.
    const Fd writable(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!writable) throw_errno("open a file in memory");
    try {
        const Json set = attached.execute_with_fd("add-fd", Json::object(), writable.get()).at("fdset-id");
        Json picture = Json::object({{"filename", fmt::format("/dev/fdset/{}", set.get<int>())}});
        picture["format"] = format;
        if (!arguments.device.empty()) picture["device"] = arguments.device;
        if (arguments.head > 0) picture["head"] = arguments.head;
        attached.execute("screendump", picture);
        attached.execute("remove-fd", Json::object({{"fdset-id", set}}));
    } catch (const qmp::ExecuteError& error) {
        throw_refused(vm, error);
    }
    return read_file(path).bytes;
}

ExitCode screenshot(Arguments arguments) {
    const launch::VmState vm = find_supervised_vm(arguments.vm);
    if (arguments.file.empty()) arguments.file = usual_file(vm.name());
    const auto format = format_of(arguments.file);
    const bool to_output = arguments.file == standard_output;
    if (to_output && ::isatty(STDOUT_FILENO) == 1)
        throw Error(ExitCode::Usage, "a picture is nothing for a terminal", "name a file, or pipe it on");
    if (arguments.head > 0 && arguments.device.empty()) arguments.device = "video0";
    Attached attached(vm);
    const auto picture = take_picture(attached, arguments, format, vm.name());
    if (picture.empty())
        throw Error(ExitCode::HostCannot, fmt::format("{}: QEMU wrote an empty picture", vm.name()));
    if (to_output) {
        if (std::fwrite(picture.data(), 1, picture.size(), stdout) != picture.size() ||
            std::fflush(stdout) != 0)
            throw_errno("write to standard output");
        return ExitCode::Ok;
    }
    write_file(arguments.file, picture, arguments.force);
    fmt::print("{}\n", arguments.file);
    return ExitCode::Ok;
}

}  // namespace

void add_screenshot(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("screenshot", "Take a picture of a VM's screen");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("NAME", arguments->vm, "the VM")->required();
    verb->add_option("FILE", arguments->file,
                     "a .png or a .ppm, or - for PNG on standard output; default: NAME and the time, .png");
    verb->add_option("--device", arguments->device, "the graphics card; default: the first one")
        ->type_name("ID");
    verb->add_option("--head", arguments->head, "which of the card's screens; default: 0, the first")
        ->type_name("N")
        ->check(CLI::NonNegativeNumber);
    verb->add_flag("-f,--force", arguments->force, "replace a file that is there");
    verb->callback([arguments, &action] { action = [arguments] { return screenshot(*arguments); }; });
}

}  // namespace qvm::cli
