// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/find_program.hpp"

#include <cstdlib>
#include <iterator>
#include <string_view>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

bool is_program(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string usual_qemu() {
    utsname host{};
    ::uname(&host);
    return fmt::format("qemu-system-{}", std::data(host.machine));
}

fs::path find_program(const std::string& program, const std::string& package) {
    const auto advice =
        package.empty() ? std::string() : fmt::format("install it: `apt install {}`", package);
    if (program.find('/') != std::string::npos) {
        auto path = fs::absolute(program);
        if (is_program(path)) return path;
        std::error_code ignored;
        throw Error(ExitCode::HostCannot,
                    fs::exists(path, ignored) ? fmt::format("'{}' is not a program", path.string())
                                              : fmt::format("there is no program '{}'", path.string()),
                    advice);
    }
    const char* path_variable = std::getenv("PATH");
    std::string_view rest = path_variable != nullptr ? path_variable : "/usr/local/bin:/usr/bin:/bin";
    while (!rest.empty()) {
        const auto end = std::min(rest.find(':'), rest.size());
        fs::path candidate = fs::path(rest.substr(0, end)) / program;
        // What would depend on the working directory is not looked at.
        if (candidate.is_absolute() && is_program(candidate)) return candidate;
        rest.remove_prefix(std::min(rest.size(), end + 1));
    }
    throw Error(ExitCode::HostCannot, fmt::format("the program '{}' is not in PATH", program),
                package.empty() ? "install the package that has it, or give its whole path" : advice);
}

}  // namespace qvm::launch
