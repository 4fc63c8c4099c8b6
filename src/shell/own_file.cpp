// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/own_file.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace qvm::shell {
namespace {

constexpr std::uintmax_t largest_file = std::uintmax_t{64} << 20U;

Error failure(const std::string& path, int error = errno) {
    return {ExitCode::Usage, fmt::format("{}: {}", path, std::strerror(error))};
}

}  // namespace

void write_own_file(const std::string& path, std::string_view text) {
    try {
        write_atomically(path, text, Survives::Us);
    } catch (const SystemError& error) {
        throw failure(path, error.error().value());
    }
}

std::string read_own_file(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) throw failure(path);
    if (!S_ISREG(found.st_mode)) throw Error(ExitCode::Usage, fmt::format("{}: it is no file", path));
    if (static_cast<std::uintmax_t>(found.st_size) > largest_file)
        throw Error(ExitCode::Usage, fmt::format("{}: it has more than {}", path, format_size(largest_file)));
    auto content = read_file(path);
    if (!content) throw failure(path, content.error);
    return std::move(content.bytes);
}

}  // namespace qvm::shell
