// SPDX-License-Identifier: GPL-3.0-or-later
// Files by name: none of the host's, and nothing to write.
#include <array>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

constexpr const char* scratch_name = "qvm-jail-probe";

/// Where something could be made: the usual places, and what the jail itself has.
constexpr const char* places[] = {"/",         "/tmp",     "/var/tmp", "/dev",       "/dev/shm", "/run",
                                  "/run/lock", "/usr",     "/usr/lib", "/usr/share", "/lib",     "/lib64",
                                  "/etc",      "/usr/bin", "/home",    "/root",      "."};

std::string in(const char* place) {
    return std::string(place) + '/' + scratch_name;
}

Result opened(const char* path, int flags) {
    const int file = ::open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) return contained(errno_name(errno));
    ::close(file);
    return escaped(std::string("opened ") + path);
}

/// Is `make` refused for a name in each of the places? `undo` takes back what it made.
template <typename Make, typename Undo>
Result refused_everywhere(Make make, Undo undo) {
    std::string last;
    for (const char* place : places) {
        const auto path = in(place);
        const auto result = make(path.c_str());
        last = errno_name(errno);
        if (result < 0) continue;
        undo(path.c_str());
        return escaped("made " + path);
    }
    return contained(last);
}

void unlink_path(const char* path) {
    ::unlink(path);
}

Result read_shadow() {
    return opened("/etc/shadow", O_RDONLY);
}
Result read_passwd() {
    return opened("/etc/passwd", O_RDONLY);
}
Result read_outside_file() {
    if (world.file.empty()) return cannot_try("--file");
    return opened(world.file.c_str(), O_RDONLY);
}
Result write_outside_file() {
    if (world.file.empty()) return cannot_try("--file");
    return opened(world.file.c_str(), O_RDWR);
}

Result host_dirs() {
    for (const char* path :
         {"/etc", "/home", "/root", "/var", "/boot", "/tmp", "/run", "/srv", "/mnt", "/opt"})
        if (::access(path, F_OK) == 0) return escaped(std::string("there is ") + path);
    return contained(errno_name(errno));
}

Result dot_dot() {
    if (::chdir("..") != 0) return contained(errno_name(errno));
    for (int i = 0; i < 64; ++i)
        if (::chdir("..") != 0) break;
    const bool there = ::access("etc/passwd", F_OK) == 0;
    const int error = errno;
    if (::chdir("/") != 0) return escaped("cannot go back to /");
    return there ? escaped("../../etc/passwd") : contained(errno_name(error));
}

Result create_files() {
    return refused_everywhere(
        [](const char* path) {
            const int file = ::open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
            if (file >= 0) ::close(file);
            return file;
        },
        unlink_path);
}
Result create_directories() {
    return refused_everywhere([](const char* path) { return ::mkdir(path, 0700); },
                              [](const char* path) { ::rmdir(path); });
}
Result create_symlinks() {
    return refused_everywhere([](const char* path) { return ::symlink("/etc/shadow", path); }, unlink_path);
}
Result hard_link() {
    const char* from = world.file.empty() ? "/dev/null" : world.file.c_str();
    return refused_everywhere([from](const char* path) { return ::link(from, path); }, unlink_path);
}
Result nameless_files() {
    std::string last;
    for (const char* place : places) {
        const int file = ::open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        last = errno_name(errno);
        if (file < 0) continue;
        ::close(file);
        return escaped(std::string("a file without a name in ") + place);
    }
    return contained(last);
}
Result rename_binary_directory() {
    return unless_done(::rename("/usr", "/qvm-jail-probe"));
}
Result remove_device() {
    return unless_done(::unlink("/dev/null"));
}
Result bind_socket_file() {
    return refused_everywhere(
        [](const char* path) {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
            const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const int result = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
            const int error = errno;
            ::close(socket);
            errno = error;
            return result;
        },
        unlink_path);
}

Result readonly_root() {
    struct statvfs status {};
    for (const char* path : {"/", "/dev", "/usr/lib", "/usr/share/qemu"}) {
        if (::statvfs(path, &status) != 0) continue;
        if ((status.f_flag & ST_RDONLY) == 0) return escaped(std::string(path) + " is writable");
        if ((status.f_flag & ST_NOSUID) == 0) return escaped(std::string(path) + " honours set-uid bits");
    }
    return contained("read-only, nosuid");
}

Result write_library() {
    for (const char* path : {"/usr/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"})
        if (auto result = opened(path, O_WRONLY); !result.contained) return result;
    return contained(errno_name(errno));
}

Result setuid_files() {
    for (const char* path : {"/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/chsh", "/bin/su",
                             "/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "/usr/lib/openssh/ssh-keysign"}) {
        struct stat status {};
        struct statvfs system {};
        if (::stat(path, &status) != 0 || (status.st_mode & S_ISUID) == 0) continue;
        if (::statvfs(path, &system) == 0 && (system.f_flag & ST_NOSUID) == 0) return escaped(path);
    }
    return contained("none that counts");
}

Result dev_nodes() {
    DIR* directory = ::opendir("/dev");
    if (directory == nullptr) return contained(errno_name(errno));
    std::string found;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == ".." || name == "null" || name == "urandom") continue;
        if (name == "kvm" && world.kvm) continue;
        found = name;
    }
    ::closedir(directory);
    return found.empty() ? contained("null and urandom") : escaped("/dev/" + found);
}
Result terminals() {
    for (const char* path : {"/dev/tty", "/dev/console", "/dev/tty0", "/dev/ptmx", "/dev/pts/ptmx"})
        if (auto result = opened(path, O_RDWR); !result.contained) return result;
    return contained(errno_name(errno));
}
Result disks_and_memory() {
    for (const char* path : {"/dev/mem", "/dev/kmsg", "/dev/port", "/dev/vda", "/dev/sda", "/dev/nvme0n1",
                             "/dev/loop-control", "/dev/mapper/control"})
        if (auto result = opened(path, O_RDONLY); !result.contained) return result;
    return contained(errno_name(errno));
}
Result driver_devices() {
    for (const char* path :
         {"/dev/net/tun", "/dev/fuse", "/dev/vhost-net", "/dev/vhost-vsock", "/dev/userfaultfd",
          "/dev/vfio/vfio", "/dev/uinput", "/dev/full", "/dev/zero", "/dev/random"})
        if (auto result = opened(path, O_RDWR); !result.contained) return result;
    return contained(errno_name(errno));
}

Result mknod_block() {
    return refused_everywhere([](const char* path) { return ::mknod(path, S_IFBLK | 0600, makedev(254, 0)); },
                              unlink_path);
}
Result mknod_memory() {
    return refused_everywhere([](const char* path) { return ::mknod(path, S_IFCHR | 0600, makedev(1, 1)); },
                              unlink_path);
}
Result mknod_fifo() {
    return refused_everywhere([](const char* path) { return ::mkfifo(path, 0600); }, unlink_path);
}

/// struct file_handle with the bytes that follow it: their number, their kind, themselves.
using Handle = std::array<unsigned, 2 + MAX_HANDLE_SZ / sizeof(unsigned)>;

Result file_handle_of_root() {
    Handle handle{MAX_HANDLE_SZ};
    int mount = 0;
    return unless_done(::syscall(SYS_name_to_handle_at, AT_FDCWD, "/usr/lib", handle.data(), &mount, 0));
}
Result open_by_handle() {
    constexpr unsigned root_inode = 2;  // of many file systems
    Handle handle{8, 1, root_inode, 0};
    const int directory = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const long result = ::syscall(SYS_open_by_handle_at, directory, handle.data(), O_RDONLY);
    const int error = errno;
    ::close(directory);
    errno = error;
    return unless_done(result);
}
Result openat2_outside_file() {
    const char* path = world.file.empty() ? "/etc/passwd" : world.file.c_str();
    constexpr unsigned long how[3] = {O_RDONLY, 0, 0};
    return unless_done(::syscall(SYS_openat2, AT_FDCWD, path, how, sizeof how));
}

Result proc_self() {
    return opened("/proc/self/status", O_RDONLY);
}
Result proc_sys_write() {
    for (const char* path :
         {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/modprobe"})
        if (auto result = opened(path, O_WRONLY); !result.contained) return result;
    return contained(errno_name(errno));
}
Result proc_secrets() {
    for (const char* path : {"/proc/kallsyms", "/proc/cmdline", "/proc/1/environ", "/proc/net/tcp"})
        if (auto result = opened(path, O_RDONLY); !result.contained) return result;
    return contained(errno_name(errno));
}
Result sys_visible() {
    for (const char* path : {"/sys/kernel", "/sys/class/net", "/sys/fs", "/sys/devices"})
        if (auto result = opened(path, O_RDONLY | O_DIRECTORY); !result.contained) return result;
    return contained(errno_name(errno));
}
Result cgroup_escape() {
    for (const char* path : {"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs",
                             "/sys/fs/cgroup/unified/cgroup.procs", "/proc/self/cgroup"}) {
        const int flags = std::string_view(path).starts_with("/proc") ? O_RDONLY : O_WRONLY;
        if (auto result = opened(path, flags); !result.contained) return result;
    }
    return contained(errno_name(errno));
}

constexpr Attempt attempts[] = {
    {"read_shadow", read_shadow},
    {"read_passwd", read_passwd},
    {"read_outside_file", read_outside_file},
    {"write_outside_file", write_outside_file},
    {"host_dirs", host_dirs},
    {"dot_dot", dot_dot},
    {"create_files", create_files},
    {"create_directories", create_directories},
    {"create_symlinks", create_symlinks},
    {"hard_link", hard_link},
    {"nameless_files", nameless_files},
    {"rename_binary_directory", rename_binary_directory},
    {"remove_device", remove_device},
    {"bind_socket_file", bind_socket_file},
    {"readonly_root", readonly_root},
    {"write_library", write_library},
    {"setuid_files", setuid_files},
    {"dev_nodes", dev_nodes},
    {"terminals", terminals},
    {"disks_and_memory", disks_and_memory},
    {"driver_devices", driver_devices},
    {"mknod_block", mknod_block},
    {"mknod_memory", mknod_memory},
    {"mknod_fifo", mknod_fifo},
    {"file_handle_of_root", file_handle_of_root},
    {"open_by_handle", open_by_handle},
    {"openat2_outside_file", openat2_outside_file},
    {"proc_self", proc_self},
    {"proc_sys_write", proc_sys_write},
    {"proc_secrets", proc_secrets},
    {"sys_visible", sys_visible},
    {"cgroup_escape", cgroup_escape},
};

}  // namespace

Class files() {
    return {"files", attempts};
}

}  // namespace qvm::probe
