// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/socket_place.hpp"

#include <cerrno>
#include <fcntl.h>
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

}  // namespace

fs::path directory_for(const fs::path& socket) {
    return socket.string() + ".qvm";
}

SocketPlace::SocketPlace(fs::path socket, const std::optional<HostIds>& ids) : socket_(std::move(socket)) {
    qmp::remove_stale_socket(socket_.string());
    const auto path = directory_for(socket_);
    // Of a start that was killed.
    ::unlink((path / socket_in_place).c_str());
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT) cannot_make(path, errno);
    if (::mkdir(path.c_str(), 0700) != 0) cannot_make(socket_, errno);
    directory_ = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    const int error = !directory_                                                  ? errno
                      : ids && ::fchown(directory_.get(), ids->uid, ids->gid) != 0 ? errno
                                                                                   : 0;
    if (error == 0) return;
    ::rmdir(path.c_str());
    cannot_make(socket_, error);
}

SocketPlace::~SocketPlace() {
    if (!directory_) return;
    ::unlinkat(directory_.get(), socket_in_place, 0);
    ::rmdir(directory_for(socket_).c_str());
}

void SocketPlace::give_to_directory() const {
    struct stat parent {};
    if (::stat(socket_.parent_path().c_str(), &parent) != 0) cannot_make(socket_, errno);
    const auto give = [&](uid_t uid, gid_t gid) {
        return ::fchownat(directory_.get(), socket_in_place, uid, gid, AT_SYMLINK_NOFOLLOW) == 0;
    };
    constexpr auto same = static_cast<uid_t>(-1);
    // An ordinary user's stays his.
    if (::geteuid() == 0 && !give(parent.st_uid, same)) cannot_make(socket_, errno);
    const bool group = (parent.st_mode & S_IWGRP) != 0 && give(same, parent.st_gid);
    if (::fchmodat(directory_.get(), socket_in_place, group ? 0660 : 0600, 0) != 0)
        cannot_make(socket_, errno);
}

bool SocketPlace::publish() {
    struct stat status {};
    if (::fstatat(directory_.get(), socket_in_place, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return false;
        cannot_make(socket_, errno);
    }
    if (!S_ISSOCK(status.st_mode)) cannot_make(socket_, ENOTSOCK);
    give_to_directory();
    constexpr unsigned keep_what_is_there = 1;  // RENAME_NOREPLACE
    if (::syscall(SYS_renameat2, directory_.get(), socket_in_place, AT_FDCWD, socket_.c_str(),
                  keep_what_is_there) != 0)
        cannot_make(socket_, errno);
    ::rmdir(directory_for(socket_).c_str());
    directory_.reset();
    return true;
}

}  // namespace qvm::launch
