// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/socket_place.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "qmp/transport.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_make(const fs::path& socket, int error) {
    throw SystemError(fmt::format("make the socket '{}'", socket.string()), error, {}, ExitCode::HostCannot);
}

std::string name_of_directory(const fs::path& socket) {
    return directory_for(socket).filename().string();
}

/// Never by a link: whoever may write in the socket's directory may have put one there.
Fd open_directory(int parent, const std::string& name) {
    return Fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool lock(int directory) {
    return ::flock(directory, LOCK_EX | LOCK_NB) == 0;
}

struct stat status_of(int fd, const fs::path& socket) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) cannot_make(socket, errno);
    return status;
}

/// What a start that was killed has left.
void remove_stale(int parent, const fs::path& socket) {
    const auto name = name_of_directory(socket);
    const Fd stale = open_directory(parent, name);
    if (!stale && errno == ENOENT) return;
    if (!stale) cannot_make(directory_for(socket), errno);
    // Another VM is being started with it.
    if (!lock(stale.get())) cannot_make(socket, EADDRINUSE);
    ::unlinkat(stale.get(), socket_in_place, 0);
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) cannot_make(directory_for(socket), errno);
}

}  // namespace

fs::path directory_for(const fs::path& socket) {
    return socket.string() + ".qvm";
}

SocketPlace::SocketPlace(fs::path socket, const std::optional<HostIds>& ids)
    : socket_(std::move(socket)),
      parent_(::open(socket_.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    if (!parent_) cannot_make(socket_, errno);
    qmp::remove_stale_socket(socket_.string());
    remove_stale(parent_.get(), socket_);
    const auto name = name_of_directory(socket_);
    if (::mkdirat(parent_.get(), name.c_str(), 0700) != 0) cannot_make(socket_, errno);
    Fd made = open_directory(parent_.get(), name);
    if (!made) cannot_make(socket_, errno);
    // Somebody may have put another in its place.
    const auto status = status_of(made.get(), socket_);
    if (status.st_uid != ::geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0 || !lock(made.get()))
        cannot_make(socket_, EADDRINUSE);
    directory_ = std::move(made);
    if (ids && ::fchown(directory_.get(), ids->uid, ids->gid) != 0) {
        const int error = errno;
        remove();
        cannot_make(socket_, error);
    }
}

SocketPlace::~SocketPlace() {
    if (directory_) remove();
}

bool SocketPlace::remove() const {
    ::unlinkat(directory_.get(), socket_in_place, 0);
    const auto name = name_of_directory(socket_);
    struct stat ours {
    }, there{};
    const bool is_ours = ::fstat(directory_.get(), &ours) == 0 &&
                         ::fstatat(parent_.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
    return is_ours && ::unlinkat(parent_.get(), name.c_str(), AT_REMOVEDIR) == 0;
}

void SocketPlace::give_to_directory(int made) const {
    const auto parent = status_of(parent_.get(), socket_);
    const auto give = [&](uid_t uid, gid_t gid) {
        return ::fchownat(made, "", uid, gid, AT_EMPTY_PATH) == 0;
    };
    constexpr auto same = static_cast<uid_t>(-1);
    // An ordinary user's stays his.
    if (::geteuid() == 0 && !give(parent.st_uid, same)) cannot_make(socket_, errno);
    const bool group = (parent.st_mode & S_IWGRP) != 0 && give(same, parent.st_gid);
    if (::chmod(fmt::format("/proc/self/fd/{}", made).c_str(), group ? 0660 : 0600) != 0)
        cannot_make(socket_, errno);
}

bool SocketPlace::publish() {
    if (::faccessat(directory_.get(), socket_in_place, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return false;
        cannot_make(socket_, errno);
    }
    // From here on nobody else can make, rename or link in it.
    if (::geteuid() == 0 && ::fchown(directory_.get(), 0, 0) != 0) cannot_make(socket_, errno);
    const Fd made(::openat(directory_.get(), socket_in_place, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!made) cannot_make(socket_, errno);
    const auto status = status_of(made.get(), socket_);
    if (!S_ISSOCK(status.st_mode) || status.st_nlink != 1) cannot_make(socket_, ENOTSOCK);
    give_to_directory(made.get());
    constexpr unsigned keep_what_is_there = 1;  // RENAME_NOREPLACE
    if (::syscall(SYS_renameat2, directory_.get(), socket_in_place, parent_.get(), socket_.filename().c_str(),
                  keep_what_is_there) != 0)
        cannot_make(socket_, errno);
    // Where that fails QEMU would have a directory of the host's to write in.
    if (!remove()) cannot_make(directory_for(socket_), ENOTEMPTY);
    directory_.reset();
    return true;
}

}  // namespace qvm::launch
