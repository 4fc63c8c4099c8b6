// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/lock_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm::launch {
namespace {

struct flock whole_file() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

/// A lock on a file that no name leads to any more keeps nobody out.
bool is_still_at(int fd, const std::filesystem::path& path) {
    struct stat held {
    }, named{};
    return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

Fd open_lock(const std::filesystem::path& path) {
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) throw_errno(fmt::format("open the lock '{}'", path.string()));
    return file;
}

}  // namespace

Fd try_lock(const std::filesystem::path& path) {
    Fd file = open_lock(path);
    struct flock lock = whole_file();
    if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
        if (errno == EAGAIN || errno == EACCES) return {};
        throw_errno(fmt::format("lock '{}'", path.string()));
    }
    return is_still_at(file.get(), path) ? std::move(file) : Fd();
}

Fd lock_briefly(const std::filesystem::path& path) {
    for (;;) {
        Fd file = open_lock(path);
        struct flock lock = whole_file();
        while (::fcntl(file.get(), F_OFD_SETLKW, &lock) != 0)
            if (errno != EINTR) throw_errno(fmt::format("lock '{}'", path.string()));
        if (is_still_at(file.get(), path)) return file;
    }
}

bool is_locked(const std::filesystem::path& path) {
    const Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR) return false;
        throw_errno(fmt::format("open the lock '{}'", path.string()));
    }
    struct flock lock = whole_file();
    if (::fcntl(file.get(), F_OFD_GETLK, &lock) != 0)
        throw_errno(fmt::format("ask for the lock '{}'", path.string()));
    return lock.l_type != F_UNLCK;
}

}  // namespace qvm::launch
