// SPDX-License-Identifier: GPL-3.0-or-later
// A contained process as plain data: everything is decided before the clone; the child only makes system
// calls. This library knows nothing of QEMU's protocol, of JSON or of TOML.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace qvm::jail {

/// A directory or file of the host that appears in the jail at `target`, read-only unless `writable`.
struct Bind {
    std::string source;
    std::string target;
    bool writable = false;
    bool executable = false;  ///< else mounted noexec
    bool optional = false;    ///< left out when the source does not exist
};

/// A symbolic link in the jail's root ("/lib" -> "usr/lib").
struct Symlink {
    std::string target;
    std::string path;
};

/// A file whose bytes are copied into the jail's root before it becomes read-only. `fd` is borrowed,
/// readable.
struct Copy {
    int fd = -1;
    std::string path;     ///< absolute, in the jail
    std::string subject;  ///< what messages call it
    /// In a reduced jail, which has no root of its own: the copy is a file in memory, a descriptor of this
    /// number, and `path` leads to it (/proc/self/fd/NUMBER).
    int number = -1;
};

/// A descriptor the process starts with: ours, borrowed, and its number there (3 and up).
struct KeptFd {
    int fd = -1;
    int number = -1;
    /// In a reduced jail: it is a directory, and what is in it may be changed, by /proc/self/fd/NUMBER.
    bool writable_directory = false;
};

enum class Device { Null, Zero, Urandom, Kvm };

struct Limit {
    int resource = RLIMIT_CORE;
    std::uint64_t value = 0;  ///< soft and hard
};

/// Ids of a user namespace, and those of the host that they are.
struct IdRange {
    std::uint32_t inside = 0, outside = 0, count = 0;
};

/// How much of a jail there is.
enum class Mode {
    Strict,
    /// In the namespaces and the root of the host, for where others cannot be had (see reduced.hpp). No
    /// privilege, the filter, Landlock, limits and descriptors are as in a strict one.
    Reduced,
    Off,  ///< none at all: only descriptors, stub and exec
};

/// Which of the namespaces that can be left out are new; user, mount, ipc, uts and cgroup always are in a
/// strict jail. In a reduced one none is.
struct Namespaces {
    bool net = true;
    bool pid = true;
};

/// What the stub, pid 1 of the jail, holds for as long as the process lives. All descriptors are borrowed and
/// duplicated into the stub; none reaches the process.
struct Stub {
    int log = -1;           ///< O_RDWR; stdout and stderr go here through a pipe; -1: to our stderr
    int log_previous = -1;  ///< O_RDWR; takes over the log's content when that exceeds `log_limit`
    std::uint64_t log_limit = std::uint64_t{1} << 20U;
    int exit_report = -1;   ///< O_WRONLY; gets {"exited": CODE} or {"signaled": NUMBER} at the end
    std::vector<int> held;  ///< kept open (a lock that lives as long as the process)
};

/// A finished seccomp program (see filter.hpp); empty: no filter.
struct Filter {
    static constexpr std::size_t instruction_size = 8;
    static constexpr std::size_t operand_offset = 4;  ///< in an instruction
    std::vector<std::byte> program;                   ///< struct sock_filter[]
    /// The number of the only descriptor `program` lets be executed. The executable is put there, and from
    /// then on the process can have no descriptor of that number or above. -1: exec is not restricted.
    int exec_fd = -1;
    bool log = false;  ///< the kernel's log tells of every call that is refused, where it can; QEMU's threads
                       ///< cost a line each then
    /// The instructions of `program` that compare with the process's own id: it writes it there itself, being
    /// the only one who knows it. None where a pid namespace makes that number known before.
    std::vector<std::size_t> own_pid;
};

/// Landlock on top: nothing can be executed but the program and its ELF interpreter, nothing be written but
/// what is writable, no TCP, no signals and abstract sockets beyond the jail.
enum class Landlock {
    Off,      ///< for programs that make a jail of their own: it forbids mounts
    Auto,     ///< where the kernel has it
    Require,  ///< not without
};

struct Spec {
    std::string name;               ///< for messages and the host name in the jail
    std::string executable;         ///< host path of what is executed, opened before the clone
    std::vector<std::string> argv;  ///< argv[0] included; paths as seen in the jail
    std::vector<std::string> env;   ///< "NAME=value"; nothing else is inherited
    Namespaces namespaces;
    std::vector<Bind> binds;
    std::vector<Symlink> symlinks;
    std::vector<Copy> copies;
    std::vector<std::string> directories;  ///< empty directories to make
    std::vector<std::string> tmpfs;        ///< writable, small
    bool proc = false;                     ///< mount /proc (subset=pid where the kernel can)
    bool whole_proc = false;               ///< if so, with /proc/sys and all else it has
    std::vector<Device> devices;
    std::vector<std::string> device_files;  ///< further ones of the host's: "/dev/vfio/12"
    std::vector<KeptFd> fds;
    std::vector<Limit> limits;
    Filter filter;
    Landlock landlock = Landlock::Auto;
    /// As root: the uid and gid of the host that the process has (never 0). As a user: ignored, it is our
    /// own.
    std::optional<std::uint32_t> host_uid;
    std::optional<std::uint32_t> host_gid;  ///< nothing: the same number
    /// As root, in a strict jail: the users and groups of the host that there are in it, never root; host_uid
    /// and host_gid among them.
    std::vector<IdRange> uid_map, gid_map;
    /// A mask: those that the process, not the stub, keeps in its user namespace; it is nobody else's.
    std::uint64_t capabilities = 0;
    bool may_execute = false;  ///< false: exec works once, for `executable`, and never again (needs a filter)
    bool internet = false;     ///< in a reduced jail: Landlock leaves it TCP
    bool window = false;       ///< in a reduced jail: Landlock leaves it abstract sockets, as X servers have
    bool end_with_parent = false;  ///< SIGKILL when we die
    bool inherit_streams = false;  ///< stdin, stdout, stderr, umask and the terminal are ours; needs no log
    Mode mode = Mode::Strict;
    Stub stub;
};

}  // namespace qvm::jail
