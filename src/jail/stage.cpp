// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/stage.hpp"

#include <cerrno>

namespace qvm::jail {

namespace {

struct StageText {
    Stage stage;
    std::string_view name;
    std::string_view action;
};

constexpr std::array<StageText, stage_count> texts = {{
    {Stage::Check, "check", "accept {}"},
    {Stage::OpenExecutable, "open-executable", "open the program {}"},
    {Stage::OpenSource, "open-source", "open {} for the jail"},
    {Stage::MakeDevices, "make-devices", "make the device files of the jail"},
    {Stage::Clone, "clone", "make new namespaces"},
    {Stage::IdMap, "id-map", "write the user and group mapping of the jail"},
    {Stage::Go, "go", "hear from the parent process"},
    {Stage::Ids, "ids", "take on the user and group of the jail"},
    {Stage::DeathSignal, "death-signal", "tie the process to the life of its parent"},
    {Stage::PrivateMounts, "private-mounts", "part the mounts of the jail from those of the host"},
    {Stage::Root, "root", "mount a tmpfs as root of the jail"},
    {Stage::Directory, "directory", "make the mount point {}"},
    {Stage::Symlink, "symlink", "make the symbolic link {}"},
    {Stage::Copy, "copy", "copy {} into the jail"},
    {Stage::Bind, "bind", "bind {}"},
    {Stage::Tmpfs, "tmpfs", "mount a tmpfs at {}"},
    {Stage::Proc, "proc", "mount /proc"},
    {Stage::Pivot, "pivot", "change to the root of the jail"},
    {Stage::SealRoot, "seal-root", "make the root of the jail read-only"},
    {Stage::HostName, "host-name", "set the host name of the jail"},
    {Stage::Session, "session", "start a session of its own"},
    {Stage::LeaveCaller, "leave-caller", "leave the caller's directory and adopt what the process starts"},
    {Stage::Capabilities, "capabilities", "drop all capabilities"},
    {Stage::NoNewPrivileges, "no-new-privileges", "forbid new privileges"},
    {Stage::Fork, "fork", "make the process"},
    {Stage::Announce, "announce", "tell the parent the process id"},
    {Stage::Descriptors, "descriptors", "put descriptor {} in its place"},
    {Stage::Limits, "limits", "set the resource limit {}"},
    {Stage::Signals, "signals", "reset the signals"},
    {Stage::Landlock, "landlock", "restrict the use of paths by Landlock"},
    {Stage::Filter, "filter", "install the system call filter"},
    {Stage::Execute, "execute", "execute {}"},
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < texts.size(); ++i)
        if (static_cast<std::size_t>(texts[i].stage) != i) return false;
    return true;
}
static_assert(in_order(), "each stage has its text, in the order of the enum");

const StageText& text_of(Stage stage) {
    return texts.at(static_cast<std::size_t>(stage));
}

/// For whoever cannot change the host.
constexpr std::string_view without_namespaces =
    "; or, for a VM, jail.mode = \"reduced\" needs none of this: it gives up QEMU's own root, process table "
    "and "
    "network, and keeps its uid, the system call filter, Landlock, limits and descriptors";

std::string namespace_advice(int error) {
    switch (error) {
        case ENOSPC:
        case EUSERS:
            return "no more namespaces are allowed: raise the limits, as root: "
                   "sysctl user.max_user_namespaces=15000 (and "
                   "user.max_{mnt,pid,net,ipc,uts,cgroup}_namespaces)";
        case EPERM:
        case EACCES:
            return "user namespaces are switched off for ordinary users: as root, where the key exists, "
                   "sysctl kernel.unprivileged_userns_clone=1 or "
                   "kernel.apparmor_restrict_unprivileged_userns=0; "
                   "in a container, allow clone3 and CLONE_NEWUSER in its seccomp profile; "
                   "a process in a chroot(2) can have none (switch_root(8) and pivot_root(8) do not hinder "
                   "it)";
        case EINVAL:
            return "the kernel was built without one of the namespaces: user, mnt, pid, net, ipc, uts, "
                   "cgroup";
        default:
            return {};
    }
}

std::string process_advice(int error) {
    switch (error) {
        case EAGAIN:
            return "too many processes: raise the limit (ulimit -u) or end some";
        case ENOSYS:
            return "clone3 is missing: the kernel is older than 5.12, or a container's seccomp profile hides "
                   "it";
        default:
            return {};
    }
}

std::string mount_advice(int error) {
    switch (error) {
        case EPERM:
        case EACCES:
            return "the system forbids mounts in a user namespace: look for "
                   "kernel.apparmor_restrict_unprivileged_userns=1 (set it to 0, or give qvm an AppArmor "
                   "profile "
                   "with userns), an SELinux denial, or a container without nested mounts" +
                   std::string(without_namespaces);
        case ENOSYS:
            return "the new mount system calls are missing: the kernel is older than 5.12, or a container's "
                   "seccomp profile hides them";
        case ENOSPC:
            return "too many mounts: raise fs.mount-max, or not enough memory";
        default:
            return {};
    }
}

std::string source_advice(int error) {
    switch (error) {
        case ENOENT:
            return "it does not exist on the host";
        case EACCES:
            return "the user that runs qvm must be allowed to reach it: look at every directory of its path";
        case EPERM:
            return "root without CAP_SYS_ADMIN (a container?) cannot build a jail: grant it, or run qvm as "
                   "an "
                   "ordinary user" +
                   std::string(without_namespaces);
        default:
            return mount_advice(error);
    }
}

std::string execute_advice(int error) {
    switch (error) {
        case ENOENT:
            return "its ELF interpreter or loader is not in the jail: give the program as "
                   "{ binary, loader, library-path } when it is not installed in the usual places";
        case EACCES:
            return "the user of the jail must be allowed to read and execute it";
        case ENOEXEC:
            return "it is not a program for this processor";
        default:
            return {};
    }
}

}  // namespace

std::string_view stage_name(Stage stage) {
    return text_of(stage).name;
}

std::string_view stage_action(Stage stage) {
    return text_of(stage).action;
}

std::string stage_advice(Stage stage, int error) {
    switch (stage) {
        case Stage::Clone:
            if (auto advice = namespace_advice(error); !advice.empty())
                return advice.append(without_namespaces);
            return process_advice(error);
        case Stage::IdMap:
            if (error == EPERM || error == EINVAL || error == EACCES)
                return "inside a container, the uid of the jail must be mapped there and CAP_SETUID, "
                       "CAP_SETGID "
                       "granted; as a user, the process must be dumpable" +
                       std::string(without_namespaces);
            return {};
        case Stage::OpenExecutable:
        case Stage::OpenSource:
            return source_advice(error);
        case Stage::Bind:
            return error == ENOENT || error == EACCES ? source_advice(error) : mount_advice(error);
        case Stage::PrivateMounts:
        case Stage::Root:
        case Stage::Tmpfs:
        case Stage::Pivot:
        case Stage::SealRoot:
            return mount_advice(error);
        case Stage::Proc:
            return error == EPERM
                       ? "the /proc of this system is partly hidden (a container?), so a new one is "
                         "refused: unmask it"
                       : mount_advice(error);
        case Stage::Copy:
            return error == ENOSPC ? "there is not enough memory for the copy" : "";
        case Stage::Descriptors:
            return error == EMFILE || error == EBADF || error == EINVAL
                       ? "too many descriptors: raise the hard limit of open files (ulimit -Hn)"
                       : "";
        case Stage::Fork:
            return process_advice(error);
        case Stage::Landlock:
            if (error == EACCES)
                return "the jail's user must be allowed to reach what jail.binds-ro and [qemu] name: look "
                       "at every directory of their paths";
            return error == ENOSYS || error == EOPNOTSUPP
                       ? "the kernel (5.13 or newer) must have CONFIG_SECURITY_LANDLOCK, and its `lsm=` "
                         "parameter "
                         "must name landlock; jail.landlock = \"auto\" starts without"
                       : "";
        case Stage::Ids:
        case Stage::Capabilities:
            return error == EPERM
                       ? "root without CAP_SETUID, CAP_SETGID and CAP_SETPCAP (a container?) cannot "
                         "leave its rights: grant them, or run qvm as an ordinary user"
                       : "";
        case Stage::Filter:
            return error == EINVAL || error == ENOSYS ? "the kernel was built without CONFIG_SECCOMP_FILTER"
                                                      : "";
        case Stage::Execute:
            return execute_advice(error);
        case Stage::MakeDevices:
        case Stage::Check:
        case Stage::Go:
        case Stage::DeathSignal:
        case Stage::Directory:
        case Stage::Symlink:
        case Stage::HostName:
        case Stage::Session:
        case Stage::LeaveCaller:
        case Stage::NoNewPrivileges:
        case Stage::Announce:
        case Stage::Limits:
        case Stage::Signals:
            return {};
    }
    return {};
}

}  // namespace qvm::jail
