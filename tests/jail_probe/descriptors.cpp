// SPDX-License-Identifier: GPL-3.0-or-later
// What the descriptors we were given allow beyond reading and writing: a disk that is read-only stays so.
#include <csignal>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "probe.hpp"

// Since Linux 6.5; missing in older headers.
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace qvm::probe {

namespace {

constexpr std::size_t page = 4096;
constexpr unsigned long pidfd_get_mnt_namespace = _IO(0xff, 3);  // PIDFD_GET_MNT_NAMESPACE, since Linux 6.11

Result write_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    return unless_done(::pwrite(world.read_only_disk, "x", 1, 0));
}
Result truncate_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    return unless_done(::ftruncate(world.read_only_disk, 0));
}
Result allocate_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    return unless_done(
        ::fallocate(world.read_only_disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page));
}
Result copy_to_read_only_disk() {
    if (world.read_only_disk < 0 || world.disk < 0) return cannot_try("--disk and --read-only-disk");
    off_t from = 0;
    off_t to = 0;
    return unless_done(::copy_file_range(world.disk, &from, world.read_only_disk, &to, 1, 0));
}
Result map_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    if (::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, world.read_only_disk, 0) != MAP_FAILED)
        return escaped("mapped writable");
    void* mapping = ::mmap(nullptr, page, PROT_READ, MAP_SHARED, world.read_only_disk, 0);
    if (mapping == MAP_FAILED) return cannot_try("a mapping of the disk");
    const auto result = unless_done(::mprotect(mapping, page, PROT_READ | PROT_WRITE));
    ::munmap(mapping, page);
    return result;
}
/// The access mode is not among what F_SETFL changes.
Result upgrade_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    const int flags = ::fcntl(world.read_only_disk, F_GETFL);
    ::fcntl(world.read_only_disk, F_SETFL, (flags & ~O_ACCMODE) | O_RDWR);
    const int now = ::fcntl(world.read_only_disk, F_GETFL);
    ::fcntl(world.read_only_disk, F_SETFL, flags);
    return (now & O_ACCMODE) == O_RDONLY ? contained("still O_RDONLY") : escaped("has become O_RDWR");
}
Result reopen_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    for (const char* directory : {"/proc/self/fd/", "/dev/fd/"}) {
        const auto path = directory + std::to_string(world.read_only_disk);
        const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        if (file < 0) continue;
        ::close(file);
        return escaped("opened " + path);
    }
    return contained(errno_name(errno));
}
/// Attributes belong to the file, not to the descriptor: its owner may change them through any.
Result attributes_of_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    fsxattr was{};
    if (::ioctl(world.read_only_disk, FS_IOC_FSGETXATTR, &was) != 0)
        return contained("the file system has none: " + errno_name(errno));
    fsxattr now = was;
    now.fsx_xflags ^= FS_XFLAG_NODUMP;
    const long result = ::ioctl(world.read_only_disk, FS_IOC_FSSETXATTR, &now);
    const int error = errno;
    if (result == 0) ::ioctl(world.read_only_disk, FS_IOC_FSSETXATTR, &was);
    errno = error;
    return unless_done(result);
}
Result flags_of_read_only_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    int flags = 0;
    if (::ioctl(world.read_only_disk, FS_IOC_GETFLAGS, &flags) != 0)
        return contained("the file system has none: " + errno_name(errno));
    return unless_done(::ioctl(world.read_only_disk, FS_IOC_SETFLAGS, &flags));
}

/// The same owner and mode again: nothing changes even where it is allowed.
Result mode_of_disk() {
    struct stat status {};
    if (::fstat(world.disk, &status) != 0) return cannot_try("--disk");
    return unless_done(::fchmod(world.disk, status.st_mode & 07777U));
}
Result owner_of_disk() {
    struct stat status {};
    if (::fstat(world.disk, &status) != 0) return cannot_try("--disk");
    return unless_done(::fchown(world.disk, status.st_uid, status.st_gid));
}
Result times_of_disk() {
    struct stat status {};
    if (::fstat(world.disk, &status) != 0) return cannot_try("--disk");
    const timespec times[] = {status.st_atim, status.st_mtim};
    return unless_done(::futimens(world.disk, times));
}
Result label_of_disk() {
    if (world.disk < 0) return cannot_try("--disk");
    const long result = ::fsetxattr(world.disk, "user.qvm_jail_probe", "x", 1, 0);
    const int error = errno;
    if (result == 0) ::fremovexattr(world.disk, "user.qvm_jail_probe");
    errno = error;
    return unless_done(result);
}
/// A lease would let us hold up whoever opens the file.
Result lease_on_disk() {
    if (world.read_only_disk < 0) return cannot_try("--read-only-disk");
    const long result = ::fcntl(world.read_only_disk, F_SETLEASE, F_RDLCK);
    const int error = errno;
    if (result == 0) ::fcntl(world.read_only_disk, F_SETLEASE, F_UNLCK);
    errno = error;
    return unless_done(result);
}

/// The process that listens on a socket we hold can be had as a pidfd, across all namespaces. What can be
/// done with it?
int peer_pidfd() {
    int pidfd = -1;
    socklen_t length = sizeof pidfd;
    if (::getsockopt(world.listener, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) != 0) return -1;
    return pidfd;
}
template <typename Use>
Result with_peer(Use use) {
    if (world.listener < 0) return cannot_try("--listener");
    const int pidfd = peer_pidfd();
    if (pidfd < 0) return contained("no pidfd: " + errno_name(errno));
    const auto result = use(pidfd);
    ::close(pidfd);
    return result;
}
Result signal_peer() {
    return with_peer(
        [](int pidfd) { return unless_done(::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0)); });
}
Result namespace_of_peer() {
    return with_peer([](int pidfd) { return unless_done(::ioctl(pidfd, pidfd_get_mnt_namespace, 0)); });
}
Result descriptor_of_peer() {
    return with_peer([](int pidfd) { return unless_done(::syscall(SYS_pidfd_getfd, pidfd, 0, 0)); });
}
Result join_peer() {
    return with_peer(
        [](int pidfd) { return unless_passed(::syscall(SYS_setns, pidfd, CLONE_NEWUSER | CLONE_NEWNS)); });
}

/// Which number makes a directory of ours: openat(2) on it would leave the jail.
Result directory_among_descriptors() {
    for (int fd = 0; fd < 4096; ++fd) {
        struct stat status {};
        if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
            return escaped("descriptor " + std::to_string(fd));
    }
    return contained("none");
}
Result unknown_descriptors() {
    for (int fd = 3; fd < 4096; ++fd) {
        struct stat status {};
        if (fd == world.disk || fd == world.read_only_disk || fd == world.listener) continue;
        if (::fstat(fd, &status) != 0) continue;
        // The pipe that this attempt reports through, and its other end.
        if (S_ISFIFO(status.st_mode) && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0) continue;
        return escaped("descriptor " + std::to_string(fd));
    }
    return contained("none");
}
/// The output is a pipe to the stub; a file could be truncated, a terminal be typed into.
Result output_is_a_pipe() {
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
        struct stat status {};
        if (::fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode)) return escaped(std::to_string(fd));
        if ((::fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY) return escaped("it can be read");
    }
    return contained("write ends of pipes");
}

constexpr Attempt attempts[] = {
    {"write_read_only_disk", write_read_only_disk},
    {"truncate_read_only_disk", truncate_read_only_disk},
    {"allocate_read_only_disk", allocate_read_only_disk},
    {"copy_to_read_only_disk", copy_to_read_only_disk},
    {"map_read_only_disk", map_read_only_disk},
    {"upgrade_read_only_disk", upgrade_read_only_disk},
    {"reopen_read_only_disk", reopen_read_only_disk},
    {"attributes_of_read_only_disk", attributes_of_read_only_disk},
    {"flags_of_read_only_disk", flags_of_read_only_disk},
    {"mode_of_disk", mode_of_disk},
    {"owner_of_disk", owner_of_disk},
    {"times_of_disk", times_of_disk},
    {"label_of_disk", label_of_disk},
    {"lease_on_disk", lease_on_disk},
    {"signal_peer", signal_peer},
    {"namespace_of_peer", namespace_of_peer},
    {"descriptor_of_peer", descriptor_of_peer},
    {"join_peer", join_peer},
    {"directory_among_descriptors", directory_among_descriptors},
    {"unknown_descriptors", unknown_descriptors},
    {"output_is_a_pipe", output_is_a_pipe},
};

}  // namespace

Class descriptors() {
    return {"descriptors", attempts};
}

}  // namespace qvm::probe
