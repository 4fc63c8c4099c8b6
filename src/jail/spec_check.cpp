// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/spec_check.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <set>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "jail/layout.hpp"
#include "jail/reduced.hpp"
#include "jail/spawn.hpp"

namespace qvm::jail {

namespace {

constexpr int first_free_number = 3;  ///< below are stdin, stdout and stderr

class Checker {
  public:
    explicit Checker(const Spec& spec) : spec_(spec) {}

    void all() const {
        words();
        executable();
        descriptors();
        stub();
        if (spec_.mode == Mode::Off) {
            bare();
            return;
        }
        identity();
        paths();
        copies();
        devices();
        if (spec_.mode == Mode::Reduced) reduced();
        limits();
        filter();
    }

  private:
    [[noreturn]] void refuse(const std::string& why, int error = EINVAL, std::string advice = {}) const {
        throw SetupError("check", fmt::format("jail '{}': {}", escape_controls(spec_.name), why), error,
                         std::move(advice));
    }

    void no_null_bytes(const std::string& word, std::string_view what) const {
        if (word.find('\0') != std::string::npos) refuse(fmt::format("{} holds a null byte", what));
    }
    void words() const {
        if (spec_.argv.empty()) refuse("argv is empty");
        for (const auto& word : spec_.argv) no_null_bytes(word, "an argument");
        for (const auto& variable : spec_.env) {
            no_null_bytes(variable, "the environment");
            if (variable.find('=') == std::string::npos || variable.front() == '=')
                refuse(fmt::format("the environment has '{}', which is not NAME=value", variable));
        }
    }

    void executable() const {
        const auto& path = spec_.executable;
        no_null_bytes(path, "the program's path");
        if (!path.starts_with('/')) refuse(fmt::format("the program '{}' is not an absolute path", path));
        struct stat status {};
        if (::stat(path.c_str(), &status) < 0)
            refuse(fmt::format("cannot find the program '{}': {}", path, errno_text(errno)), errno);
        if (!S_ISREG(status.st_mode)) refuse(fmt::format("the program '{}' is not a file", path), EACCES);
        if (::access(path.c_str(), X_OK) < 0)
            refuse(fmt::format("the program '{}' is not executable", path), errno);
        if (spec_.mode == Mode::Off) return;
        const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        std::array<char, 4> magic{};
        if (!file || ::read(file.get(), magic.data(), magic.size()) != static_cast<ssize_t>(magic.size()))
            refuse(fmt::format("cannot read the program '{}': {}", path, errno_text(errno)), errno);
        if (std::string_view(magic.data(), 2) == "#!")
            refuse(fmt::format("the program '{}' is a script", path), ENOEXEC,
                   "there is no interpreter in the jail: name the program that the script runs, as "
                   "{ binary, loader, library-path } if it comes with its own libraries");
        if (std::string_view(magic.data(), 4) != "\177ELF")
            refuse(fmt::format("the program '{}' is not an ELF file", path), ENOEXEC);
    }

    void open_descriptor(int fd, std::string_view what) const {
        if (::fcntl(fd, F_GETFD) < 0)
            refuse(fmt::format("{} is not an open descriptor ({})", what, fd), EBADF);
    }
    void descriptors() const {
        std::set<int> numbers;
        for (const auto& kept : spec_.fds) {
            open_descriptor(kept.fd, fmt::format("what shall be descriptor {}", kept.number));
            free_number(kept.number, numbers);
        }
        if (spec_.mode == Mode::Reduced)
            for (const auto& copy : spec_.copies) free_number(copy.number, numbers);
    }
    void free_number(int number, std::set<int>& taken) const {
        if (number < first_free_number)
            refuse(fmt::format("descriptor {} is taken: 0, 1 and 2 are stdin, stdout and stderr", number));
        if (!taken.insert(number).second) refuse(fmt::format("descriptor {} is given twice", number));
        if (spec_.mode != Mode::Off && spec_.filter.exec_fd >= 0 && number >= spec_.filter.exec_fd)
            refuse(fmt::format("descriptor {} is too high: the program can have {}", number,
                               spec_.filter.exec_fd),
                   EMFILE, "raise the hard limit of open files (ulimit -Hn), up to 4097 of it are used");
    }

    /// `mode` is O_RDWR or O_WRONLY; O_RDWR serves for both.
    void file_of_stub(int fd, int mode, std::string_view what) const {
        if (fd < 0) return;
        open_descriptor(fd, what);
        const int has = ::fcntl(fd, F_GETFL) & O_ACCMODE;
        if (has != mode && has != O_RDWR)
            refuse(fmt::format("{} cannot be written, or not be read back", what), EACCES);
    }
    void stub() const {
        const auto& stub = spec_.stub;
        file_of_stub(stub.log, O_RDWR, "the log");
        file_of_stub(stub.log_previous, O_WRONLY, "the previous log");
        file_of_stub(stub.exit_report, O_WRONLY, "the exit report");
        if (stub.log >= 0 && stub.log_limit == 0) refuse("the log's limit is 0");
        if (spec_.inherit_streams && stub.log >= 0) refuse("what keeps our streams has no log");
        for (const int fd : stub.held) open_descriptor(fd, "what the stub shall hold");
    }

    void bare() const {
        if (!spec_.copies.empty())
            refuse(fmt::format("{} cannot be copied to '{}' without a jail", spec_.copies.front().subject,
                               spec_.copies.front().path),
                   EINVAL, "without a jail the program can open it by its own path");
    }

    void identity() const {
        const bool more = !spec_.uid_map.empty() || !spec_.gid_map.empty() || spec_.capabilities != 0;
        if (more && (::geteuid() != 0 || spec_.mode != Mode::Strict))
            refuse("only root can give a jail more than one user, and only a strict one", EPERM);
        for (const auto* map : {&spec_.uid_map, &spec_.gid_map})
            for (const auto& range : *map)
                if (range.outside == 0) refuse("root cannot be a user of a jail", EPERM);
        if (::geteuid() != 0) return;
        if (!spec_.host_uid) refuse("as root, the user of the jail must be given", EINVAL);
        const auto has = [](const std::vector<IdRange>& map, std::uint32_t id) {
            return std::ranges::any_of(map, [&](const auto& range) {
                return id >= range.outside && id - range.outside < range.count;
            });
        };
        if (more && (!has(spec_.uid_map, *spec_.host_uid) ||
                     !has(spec_.gid_map, spec_.host_gid.value_or(*spec_.host_uid))))
            refuse("the user and the group of a jail with more than one must be among them", EINVAL);
        if (*spec_.host_uid == 0)
            refuse("root cannot be the user of a jail", EPERM, "choose a uid of its own for it");
        if (spec_.host_gid == 0U)
            refuse("root's group cannot be the group of a jail", EPERM,
                   "choose a user with a group of its own");
    }

    void target(const std::string& path, std::string_view what) const {
        no_null_bytes(path, what);
        const bool plain = path.size() > 1 && path.front() == '/' && path.back() != '/' &&
                           path.find("//") == std::string::npos &&
                           (path + '/').find("/./") == std::string::npos &&
                           (path + '/').find("/../") == std::string::npos;
        if (!plain)
            refuse(fmt::format("{} '{}' must be an absolute path without '.', '..' and doubled slashes", what,
                               path));
    }
    void paths() const {
        for (const auto& bind : spec_.binds) {
            no_null_bytes(bind.source, "a bind");
            if (!bind.source.starts_with('/'))
                refuse(fmt::format("'{}' cannot be bound: it is not an absolute path", bind.source));
            target(bind.target, "the bind target");
        }
        for (const auto& symlink : spec_.symlinks) target(symlink.path, "the symbolic link");
        for (const auto& path : spec_.directories) target(path, "the directory");
        for (const auto& path : spec_.tmpfs) target(path, "the tmpfs");
    }

    void copies() const {
        std::set<std::string> taken;
        for (const auto& copy : spec_.copies) {
            target(copy.path, "the copy");
            if (!taken.insert(copy.path).second) refuse(fmt::format("two copies at '{}'", copy.path));
            for (const auto& bind : spec_.binds)
                if (copy.path == bind.target || copy.path.starts_with(bind.target + '/'))
                    refuse(
                        fmt::format("the copy '{}' would lie below the bind '{}'", copy.path, bind.target));
            open_descriptor(copy.fd, copy.subject);
            struct stat status {};
            if (::fstat(copy.fd, &status) == 0 && !S_ISREG(status.st_mode))
                refuse(fmt::format("{} is not a regular file", copy.subject));
            if ((::fcntl(copy.fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
                refuse(fmt::format("{} is not open for reading", copy.subject), EACCES);
        }
    }

    void devices() const {
        for (const auto device : spec_.devices) {
            const auto path = device_path(device);
            struct stat status {};
            if (::stat(path.c_str(), &status) < 0 || !S_ISCHR(status.st_mode))
                refuse(fmt::format("there is no device {}", path), ENODEV,
                       device == Device::Kvm ? "load the module kvm_intel or kvm_amd, or use accel = \"tcg\""
                                             : "");
            if (device == Device::Kvm && ::access(path.c_str(), R_OK | W_OK) < 0)
                refuse(fmt::format("cannot use {}: {}", path, errno_text(errno)), errno,
                       "add the user to the group that owns it (often 'kvm'), or use accel = \"tcg\"");
        }
        for (const auto& path : spec_.device_files) {
            target(path, "the device");
            struct stat status {};
            if (!path.starts_with("/dev/") || ::stat(path.c_str(), &status) < 0 || !S_ISCHR(status.st_mode))
                refuse(fmt::format("there is no device {}", path), ENODEV);
        }
    }

    /// Nothing can be put elsewhere, or made, in the host's root and namespaces.
    void reduced() const {
        if (spec_.namespaces.net || spec_.namespaces.pid)
            refuse("a reduced jail has no namespace of its own");
        if (spec_.proc || !spec_.tmpfs.empty() || !spec_.symlinks.empty() || !spec_.directories.empty())
            refuse("a reduced jail has no root of its own to make something in");
        for (const auto& bind : spec_.binds) {
            if (bind.source != bind.target)
                refuse(fmt::format("'{}' cannot appear at '{}' in a reduced jail, only where it is",
                                   bind.source, bind.target));
            if (!bind.optional && ::access(bind.source.c_str(), F_OK) < 0)
                refuse(fmt::format("cannot get to '{}': {}", bind.source, errno_text(errno)), errno);
        }
        if (!spec_.may_execute && spec_.filter.own_pid.empty())
            refuse("the filter is not one for a reduced jail");
        const bool kvm = std::ranges::find(spec_.devices, Device::Kvm) != spec_.devices.end();
        if (kvm && is_kvm_roots_alone())
            refuse("cannot let it use /dev/kvm: only root may open that", EACCES,
                   "`chgrp kvm /dev/kvm && chmod 660 /dev/kvm` lets a jail of root's have that group; a "
                   "strict jail has a device of its own");
        for (const auto& path : spec_.device_files) {
            struct stat status {};
            const bool there = ::stat(path.c_str(), &status) == 0;
            const bool for_all = (status.st_mode & (S_IROTH | S_IWOTH)) == (S_IROTH | S_IWOTH);
            if (there && spec_.host_uid && status.st_uid != *spec_.host_uid && !for_all)
                refuse(fmt::format("cannot let it use {}: uid {} may not open that", path, *spec_.host_uid),
                       EACCES, "a strict jail has a device of its own");
        }
    }

    void limits() const {
        for (const auto& limit : spec_.limits)
            if (limit.resource < 0 || limit.resource >= static_cast<int>(RLIM_NLIMITS))
                refuse(fmt::format("there is no resource limit {}", limit.resource));
    }

    void filter() const {
        const auto& program = spec_.filter.program;
        const int exec_fd = spec_.filter.exec_fd;
        if (program.size() % Filter::instruction_size != 0 ||
            program.size() / Filter::instruction_size > BPF_MAXINSNS)
            refuse(fmt::format("the filter of {} bytes is none", program.size()));
        if (!spec_.may_execute && (program.empty() || exec_fd < 0))
            refuse("without a filter nothing hinders the program from executing others", EINVAL);
        if (exec_fd >= 0) {
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            if (static_cast<rlim_t>(exec_fd) >= limit.rlim_max)
                refuse(fmt::format("the hard limit of open files is {}, and {} are needed", limit.rlim_max,
                                   exec_fd + 1),
                       EMFILE, "raise it (ulimit -Hn)");
        }
    }

    const Spec& spec_;
};

}  // namespace

void check_spec(const Spec& spec) {
    Checker(spec).all();
}

}  // namespace qvm::jail
