// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/user_file.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace qvm::cli {
namespace {

/// Throws Error (Usage) if there is something already.
void make_file(const std::string& path, std::string_view bytes) {
    const auto close = [](std::FILE* file) { std::fclose(file); };
    const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "wxe"), close);
    if (file == nullptr && errno == EEXIST)
        throw Error(ExitCode::Usage, fmt::format("'{}' is there already", path), "--force replaces it");
    if (file == nullptr) throw_errno(fmt::format("make '{}'", path));
    if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size() ||
        std::fflush(file.get()) != 0) {
        const int error = errno;
        ::unlink(path.c_str());
        throw SystemError(fmt::format("write '{}'", path), error);
    }
}

}  // namespace

namespace fs = std::filesystem;

std::string read_standard_input() {
    std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    if (std::cin.bad()) throw_errno("read standard input");
    return text;
}

void write_file(const std::string& path, std::string_view bytes, bool force) {
    if (force && fs::exists(path))
        replace_file(path, bytes);
    else
        make_file(path, bytes);
}

void replace_file(const std::string& path, std::string_view bytes) {
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    struct stat before {};
    if (error || ::stat(target.c_str(), &before) != 0) throw_errno(fmt::format("find '{}'", path));
    write_atomically(target, bytes);
    // The new file is ours alone until here. Only root can give it to another; whoever may write it stays.
    if (before.st_uid != ::geteuid() || before.st_gid != ::getegid())
        if (::chown(target.c_str(), before.st_uid, before.st_gid) != 0 && ::geteuid() == 0)
            throw_errno(fmt::format("give '{}' to its owner", target.string()));
    constexpr mode_t permissions = 07777;
    if (::chmod(target.c_str(), before.st_mode & permissions) != 0)
        throw_errno(fmt::format("set the mode of '{}'", target.string()));
}

}  // namespace qvm::cli
