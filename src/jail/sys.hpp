// SPDX-License-Identifier: GPL-3.0-or-later
// System calls as the jail's child uses them: each returns its result, or a negated errno value. Nothing here
// allocates, locks or throws; set*id are the bare calls, because the C library's signal every thread it
// remembers.
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace qvm::jail::sys {

inline int checked(long result) {
    return result < 0 ? -errno : static_cast<int>(result);
}

// SAFETY (all of syscall()): every argument is passed as the register-wide type the kernel reads.
inline int clone3(clone_args& arguments) {
    return checked(::syscall(SYS_clone3, &arguments, sizeof arguments));
}
inline int setgroups(std::size_t count, const gid_t* groups) {
    return checked(::syscall(SYS_setgroups, count, groups));
}
inline int setresgid(gid_t id) {
    return checked(
        ::syscall(SYS_setresgid, static_cast<long>(id), static_cast<long>(id), static_cast<long>(id)));
}
inline int setresuid(uid_t id) {
    return checked(
        ::syscall(SYS_setresuid, static_cast<long>(id), static_cast<long>(id), static_cast<long>(id)));
}
inline int prctl(int option, unsigned long argument = 0, unsigned long second = 0) {
    return checked(::syscall(SYS_prctl, static_cast<long>(option), argument, second, 0L, 0L));
}
inline int capset(void* header, const void* data) {
    return checked(::syscall(SYS_capset, header, data));
}
inline int seccomp_filter(const void* program, bool log) {
    return checked(::syscall(SYS_seccomp, 1L /* SECCOMP_SET_MODE_FILTER */,
                             log ? 2L /* SECCOMP_FILTER_FLAG_LOG */ : 0L, program));
}
inline int seccomp_install(const std::byte* program, std::size_t size, bool log = false) {
    struct {
        unsigned short length;
        const void* instructions;
    } const description{static_cast<unsigned short>(size / 8), program};
    return seccomp_filter(&description, log);
}
inline int close_range(unsigned first, unsigned last, unsigned flags) {
    return checked(::syscall(SYS_close_range, static_cast<long>(first), static_cast<long>(last),
                             static_cast<long>(flags)));
}
inline int execveat(int fd, const char* const* argv, const char* const* env) {
    return checked(
        ::syscall(SYS_execveat, static_cast<long>(fd), "", argv, env, static_cast<long>(AT_EMPTY_PATH)));
}
inline int execve(const char* path, const char* const* argv, const char* const* env) {
    return checked(::syscall(SYS_execve, path, argv, env));
}
inline int pivot_root(const char* root, const char* old) {
    return checked(::syscall(SYS_pivot_root, root, old));
}
inline int mount(const char* target, unsigned long flags) {
    return checked(::mount(nullptr, target, nullptr, flags, nullptr));
}
inline int umount(const char* target, int flags) {
    return checked(::umount2(target, flags));
}
inline int open_tree(const char* path, unsigned flags) {
    return checked(::open_tree(AT_FDCWD, path, flags));
}
inline int move_mount(int tree, int directory, const char* target, unsigned flags) {
    return checked(::move_mount(tree, "", directory, target, MOVE_MOUNT_F_EMPTY_PATH | flags));
}
inline int mount_setattr(int tree, unsigned flags, std::uint64_t set, std::uint64_t propagation) {
    mount_attr attributes{};
    attributes.attr_set = set;
    attributes.propagation = propagation;
    return checked(::mount_setattr(tree, "", AT_EMPTY_PATH | flags, &attributes, sizeof attributes));
}
inline int fsopen(const char* type) {
    return checked(::fsopen(type, FSOPEN_CLOEXEC));
}
inline int fsconfig_string(int fs, const char* key, const char* value) {
    return checked(::fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0));
}
inline int fsconfig_create(int fs) {
    return checked(::fsconfig(fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
}
inline int fsmount(int fs, unsigned attributes) {
    return checked(::fsmount(fs, FSMOUNT_CLOEXEC, attributes));
}
inline int sethostname(const char* name, std::size_t length) {
    return checked(::sethostname(name, length));
}
inline int mkdirat(int directory, const char* path, mode_t mode) {
    return checked(::mkdirat(directory, path, mode));
}
inline int symlinkat(const char* target, int directory, const char* path) {
    return checked(::symlinkat(target, directory, path));
}
inline int create_file(int directory, const char* path, mode_t mode) {
    return checked(::openat(directory, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
}
inline int close(int fd) {
    return checked(::close(fd));
}
inline int dup3(int fd, int number, int flags) {
    return checked(::dup3(fd, number, flags));
}
inline int duplicate_from(int fd, int lowest) {
    return checked(::fcntl(fd, F_DUPFD_CLOEXEC, lowest));
}
inline long sendfile(int to, int from, off_t& offset, std::size_t count) {
    const auto sent = ::sendfile(to, from, &offset, count);
    return sent < 0 ? -errno : sent;
}
inline long read(int fd, void* buffer, std::size_t size) {
    const auto count = ::read(fd, buffer, size);
    return count < 0 ? -errno : count;
}
inline long write(int fd, const void* buffer, std::size_t size) {
    const auto count = ::write(fd, buffer, size);
    return count < 0 ? -errno : count;
}
inline long pwrite(int fd, const void* buffer, std::size_t size, off_t offset) {
    const auto count = ::pwrite(fd, buffer, size, offset);
    return count < 0 ? -errno : count;
}
inline int fchdir(int fd) {
    return checked(::fchdir(fd));
}
inline int chdir(const char* path) {
    return checked(::chdir(path));
}
inline int set_limit(int resource, const rlimit& limit) {
    return checked(::syscall(SYS_prlimit64, 0L, static_cast<long>(resource), &limit, nullptr));
}

}  // namespace qvm::jail::sys
