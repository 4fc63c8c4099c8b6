// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/capped_log.hpp"

#include <array>
#include <cerrno>
#include <unistd.h>

namespace qvm::launch {
namespace {

constexpr off_t log_limit = off_t{4} << 20U;

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

void CappedLog::append(std::string_view bytes) {
    if (!log_) return;
    write_all(log_.get(), bytes);
    if (previous_ && ::lseek(log_.get(), 0, SEEK_END) > log_limit) rotate();
}

void CappedLog::rotate() {
    if (::ftruncate(previous_.get(), 0) < 0) return;
    ::lseek(log_.get(), 0, SEEK_SET);
    ::lseek(previous_.get(), 0, SEEK_SET);
    std::array<char, 65536> buffer{};
    for (;;) {
        const auto got = ::read(log_.get(), buffer.data(), buffer.size());
        if (got <= 0) break;
        write_all(previous_.get(), {buffer.data(), static_cast<std::size_t>(got)});
    }
    // Failing here leaves a log that is longer than meant, which the next append tries to mend.
    [[maybe_unused]] const int truncated = ::ftruncate(log_.get(), 0);
}

}  // namespace qvm::launch
