// SPDX-License-Identifier: GPL-3.0-or-later
#include <array>
#include <fstream>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/reference.hpp"
#include "cli/verbs.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string vm;
    bool console = false;
    bool qemu = false;
    bool follow = false;
};

/// Prints what has been added to a log since the last call. The guest's and QEMU's bytes are made harmless,
/// line by line, unless they go to a file or a pipe.
class LogReader {
  public:
    explicit LogReader(std::filesystem::path path) : path_(std::move(path)) {}

    void print_new() {
        std::ifstream file(path_, std::ios::binary);
        if (!file) return;
        file.seekg(0, std::ios::end);
        const auto size = file.tellg();
        if (size < at_) at_ = 0;  // it was rotated
        file.seekg(at_);
        std::string text(static_cast<std::size_t>(size - at_), '\0');
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
        at_ = size;
        if (::isatty(STDOUT_FILENO) == 1) text = harmless(text);
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    }

  private:
    static std::string harmless(std::string_view text) {
        std::string out;
        while (!text.empty()) {
            const auto end = text.find('\n');
            auto line = text.substr(0, end);
            while (line.ends_with('\r')) line.remove_suffix(1);
            out += escape_controls(line);
            if (end == std::string_view::npos) break;
            out += '\n';
            text.remove_prefix(end + 1);
        }
        return out;
    }

    std::filesystem::path path_;
    std::streamoff at_ = 0;
};

ExitCode log(const Arguments& arguments) {
    const launch::VmState vm = find_vm(arguments.vm);
    const auto file = arguments.console ? "console.log" : arguments.qemu ? "qemu.log" : nullptr;
    if (file == nullptr) {
        fmt::print("==> supervisor.log <==\n");
        std::fflush(stdout);
        LogReader(vm.directory() / "supervisor.log").print_new();
        fmt::print("==> qemu.log <==\n");
        std::fflush(stdout);
    }
    LogReader reader(vm.directory() / (file == nullptr ? "qemu.log" : file));
    reader.print_new();
    while (arguments.follow && vm.condition() != launch::Condition::Stopped) {
        ::poll(nullptr, 0, 200);
        reader.print_new();
    }
    reader.print_new();  // what came between the last look and the end
    return ExitCode::Ok;
}

}  // namespace

void add_log(CLI::App& app, Action& action) {
    auto* verb =
        app.add_subcommand("log", "Print what qvm and QEMU said about a VM, or what its guest printed");
    auto arguments = std::make_shared<Arguments>();
    add_name(*verb, arguments->vm);
    auto* console = verb->add_flag("--console", arguments->console, "only the guest's console");
    verb->add_flag("--qemu", arguments->qemu, "only QEMU's own output")->excludes(console);
    verb->add_flag("--follow", arguments->follow, "go on until the VM ends");
    verb->callback([arguments, &action] { action = [arguments] { return log(*arguments); }; });
}

}  // namespace qvm::cli
