// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/file.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace qvm {
namespace {

namespace fs = std::filesystem;

void write_all(int fd, std::string_view bytes, const fs::path& path) {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw_errno(fmt::format("write '{}'", path.string()));
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

fs::path expand_home(const std::string& path) {
    const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    if (home == nullptr || (path != "~" && !path.starts_with("~/"))) return path;
    return home + path.substr(1);
}

FileContent read_file(const fs::path& path) {
    FileContent content;
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return {.bytes = {}, .error = errno};
    std::array<char, 16384> block{};
    for (;;) {
        const auto got = ::read(file.get(), block.data(), block.size());
        if (got > 0) {
            content.bytes.append(block.data(), static_cast<std::size_t>(got));
        } else if (got == 0 || errno != EINTR) {
            content.error = got == 0 ? 0 : errno;
            return content;
        }
    }
}

void write_atomically(const fs::path& path, std::string_view bytes, Survives survives) {
    const auto temporary = path.string() + fmt::format(".new-{}", ::getpid());
    ::unlink(temporary.c_str());
    Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) throw_errno(fmt::format("make '{}'", temporary));
    try {
        if (::fchmod(file.get(), 0600) != 0) throw_errno(fmt::format("set the mode of '{}'", temporary));
        write_all(file.get(), bytes, temporary);
        if (survives == Survives::PowerLoss && ::fsync(file.get()) != 0)
            throw_errno(fmt::format("write '{}'", temporary));
        if (::rename(temporary.c_str(), path.c_str()) != 0)
            throw_errno(fmt::format("replace '{}'", path.string()));
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
}

}  // namespace qvm
