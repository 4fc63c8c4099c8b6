// SPDX-License-Identifier: GPL-3.0-or-later
// Mounts and namespaces: what is mounted stays as it is, and there is no way to capabilities in a new user
// namespace.
#include <array>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

constexpr int new_time = 0x80;  // CLONE_NEWTIME
// Missing in older headers.
constexpr long number_of_statmount = 457;
constexpr long number_of_listmount = 458;

Result mount_tmpfs() {
    return unless_done(::mount("none", "/", "tmpfs", 0, nullptr));
}
Result mount_proc() {
    return unless_done(::mount("none", "/dev", "proc", 0, nullptr));
}
Result bind_mount() {
    return unless_done(::mount("/", "/dev", nullptr, MS_BIND | MS_REC, nullptr));
}
Result remount_writable() {
    return unless_done(::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr));
}
Result share_mounts() {
    return unless_done(::mount(nullptr, "/", nullptr, MS_SHARED | MS_REC, nullptr));
}
Result unmount() {
    for (const char* path : {"/dev", "/usr/lib", "/"})
        if (::umount2(path, MNT_DETACH) == 0) return escaped(path);
    return contained(errno_name(errno));
}
Result new_file_system() {
    return unless_done(::syscall(SYS_fsopen, "tmpfs", 0));
}
Result pick_file_system() {
    return unless_done(::syscall(SYS_fspick, AT_FDCWD, "/", 0));
}
Result clone_tree() {
    constexpr unsigned open_tree_clone = 1;
    return unless_done(::syscall(SYS_open_tree, AT_FDCWD, "/", open_tree_clone | AT_RECURSIVE));
}
/// Without cloning it is only a descriptor of a path, but one that a filter of paths has not seen.
Result open_tree() {
    return unless_done(::syscall(SYS_open_tree, AT_FDCWD, "/", 0));
}
Result move_tree() {
    return unless_done(::syscall(SYS_move_mount, AT_FDCWD, "/dev", AT_FDCWD, "/usr", 0));
}
Result set_mount_attributes() {
    std::array<unsigned long, 4> attributes{};  // struct mount_attr
    attributes[1] = 1;                          // clears MOUNT_ATTR_RDONLY
    return unless_done(::syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, attributes.data(), sizeof attributes));
}
Result list_mounts() {
    const std::array<unsigned long, 4> request{32, ~0UL, 0, 0};  // struct mnt_id_req, LSMT_ROOT
    std::array<unsigned long, 64> ids{};
    return unless_done(::syscall(number_of_listmount, request.data(), ids.data(), ids.size(), 0));
}
Result describe_mounts() {
    constexpr std::array<unsigned long, 4> request{32, 1, 1, 0};
    std::array<unsigned long, 512> buffer{};
    return unless_passed(::syscall(number_of_statmount, request.data(), buffer.data(), sizeof buffer, 0));
}
Result pivot() {
    return unless_done(::syscall(SYS_pivot_root, ".", "."));
}
Result change_root() {
    for (const char* path : {"/", ".", "/usr"})
        if (::chroot(path) == 0) return escaped(path);
    return contained(errno_name(errno));
}

Result unshare_user() {
    return unless_done(::unshare(CLONE_NEWUSER));
}
Result unshare_others() {
    static constexpr Form forms[] = {
        {"NEWNS", CLONE_NEWNS},   {"NEWNET", CLONE_NEWNET}, {"NEWPID", CLONE_NEWPID},
        {"NEWUTS", CLONE_NEWUTS}, {"NEWIPC", CLONE_NEWIPC}, {"NEWCGROUP", CLONE_NEWCGROUP},
        {"NEWTIME", new_time},    {"FS", CLONE_FS},         {"FILES", CLONE_FILES},
    };
    return none_passes(forms, [](unsigned long flags) { return ::syscall(SYS_unshare, flags); });
}
Result unshare_together() {
    constexpr int all = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC;
    return unless_done(::unshare(all));
}
Result clone_new_user() {
    const long result = clone_and_exit(CLONE_NEWUSER | SIGCHLD);
    const int error = errno;
    if (result > 0) reap_children();
    errno = error;
    return unless_done(result);
}
Result clone_new_others() {
    static constexpr Form forms[] = {
        {"NEWNS", CLONE_NEWNS | SIGCHLD},
        {"NEWNET", CLONE_NEWNET | SIGCHLD},
        {"NEWPID", CLONE_NEWPID | SIGCHLD},
        {"NEWUTS", CLONE_NEWUTS | SIGCHLD},
        {"NEWIPC", CLONE_NEWIPC | SIGCHLD},
        {"NEWCGROUP", CLONE_NEWCGROUP | SIGCHLD},
        {"NEWUSER,NEWNS", CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD},
    };
    return none_passes(forms, [](unsigned long flags) {
        const long result = clone_and_exit(flags);
        const int error = errno;
        if (result > 0) reap_children();
        errno = error;
        return result;
    });
}
Result join_namespaces() {
    for (const char* name : {"user", "mnt", "net", "pid", "ipc", "uts"}) {
        for (const char* owner : {"/proc/1/ns/", "/proc/self/ns/"}) {
            const int file = ::open((owner + std::string(name)).c_str(), O_RDONLY | O_CLOEXEC);
            if (file < 0) continue;
            const int result = ::setns(file, 0);
            ::close(file);
            if (result == 0) return escaped(name);
        }
    }
    return unless_passed(::setns(-1, 0));
}
Result look_at_namespaces() {
    for (const char* path : {"/proc/self/ns/user", "/proc/self/ns/mnt"}) {
        const int file = ::open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0) continue;
        ::close(file);
        return escaped(path);
    }
    return contained(errno_name(errno));
}
Result set_host_name() {
    return unless_done(::sethostname("escaped", 7));
}
Result set_domain_name() {
    return unless_done(::setdomainname("escaped", 7));
}

constexpr Attempt attempts[] = {
    {"mount_tmpfs", mount_tmpfs},
    {"mount_proc", mount_proc},
    {"bind_mount", bind_mount},
    {"remount_writable", remount_writable},
    {"share_mounts", share_mounts},
    {"unmount", unmount},
    {"new_file_system", new_file_system},
    {"pick_file_system", pick_file_system},
    {"clone_tree", clone_tree},
    {"open_tree", open_tree},
    {"move_tree", move_tree},
    {"set_mount_attributes", set_mount_attributes},
    {"list_mounts", list_mounts},
    {"describe_mounts", describe_mounts},
    {"pivot", pivot},
    {"change_root", change_root},
    {"unshare_user", unshare_user},
    {"unshare_others", unshare_others},
    {"unshare_together", unshare_together},
    {"clone_new_user", clone_new_user},
    {"clone_new_others", clone_new_others},
    {"join_namespaces", join_namespaces},
    {"look_at_namespaces", look_at_namespaces},
    {"set_host_name", set_host_name},
    {"set_domain_name", set_domain_name},
};

}  // namespace

Class namespaces() {
    return {"namespaces", attempts};
}

}  // namespace qvm::probe
