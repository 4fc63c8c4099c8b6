// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/socket_access.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace qvm::launch {
namespace {

/// errno, or 0. The kernel is asked by a process that has these ids: it alone knows access control lists.
int ask_as(const HostIds& ids, int socket) {
    const pid_t child = ::fork();
    if (child < 0) throw SystemError("start a process", errno);
    if (child == 0) {
        // The raw calls: those of the C library would tell other threads, of which there are none.
        const bool changed = ::syscall(SYS_setgroups, 0L, nullptr) == 0 &&
                             ::syscall(SYS_setresgid, ids.gid, ids.gid, ids.gid) == 0 &&
                             ::syscall(SYS_setresuid, ids.uid, ids.uid, ids.uid) == 0;
        if (!changed) ::_exit(errno);
        constexpr int flags = AT_EMPTY_PATH | AT_EACCESS;
        ::_exit(::syscall(SYS_faccessat2, socket, "", W_OK, flags) == 0 ? 0 : errno);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

}  // namespace

void expect_connectable(const std::filesystem::path& socket, const std::optional<HostIds>& ids) {
    if (!ids) return;
    const Fd file(::open(socket.c_str(), O_PATH | O_CLOEXEC));
    const auto action = fmt::format("connect to '{}'", socket.string());
    if (!file) throw SystemError(action, errno, {}, ExitCode::HostCannot);
    const int error = ask_as(*ids, file.get());
    // Before Linux 5.8 nobody can tell; then QEMU will.
    if (error == 0 || error == ENOSYS) return;
    struct stat status {};
    ::fstat(file.get(), &status);
    throw SystemError(
        action + " as the VM's uid", error,
        fmt::format("QEMU runs as uid {}, gid {}; the socket belongs to uid {}, gid {}, mode {:04o}\n"
                    "`setfacl -m u:{}:rw {}` lets it in; or jail.user names a user who may",
                    ids->uid, ids->gid, status.st_uid, status.st_gid, status.st_mode & 07777U, ids->uid,
                    socket.string()),
        ExitCode::HostCannot);
}

}  // namespace qvm::launch
