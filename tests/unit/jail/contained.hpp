// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of the jail share: Specs that run busybox contained, files without names, and what came out.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "base/fd.hpp"
#include "jail/filter.hpp"
#include "jail/filter_rules.hpp"
#include "jail/reduced.hpp"
#include "jail/spawn.hpp"
#include "jail/spec.hpp"

namespace qvm::jail::test {

inline constexpr std::uint32_t jail_uid = 64123;  ///< as root, the user of the jails; owns nothing

inline bool as_root() {
    return ::geteuid() == 0;
}

inline Fd memory_file(const std::string& content = {}) {
    Fd file(::memfd_create("test", MFD_CLOEXEC));
    if (::pwrite(file.get(), content.data(), content.size(), 0) < 0) throw_errno("write a memory file");
    return file;
}

inline std::string content_of(int fd) {
    std::string content(std::size_t{1} << 20U, '\0');
    const auto count = ::pread(fd, content.data(), content.size(), 0);
    content.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return content;
}

inline std::string content_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// A directory of mode 0700 that goes away with everything in it.
class TempDir {
  public:
    TempDir() {
        std::string name = "/tmp/qvm-jail-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw_errno("make a temporary directory");
        path_ = name;
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// busybox, which is static and needs nothing, running `script`. It may execute itself, which is at
/// /bin/busybox.
inline Spec shell(const std::string& script) {
    Spec spec;
    spec.name = "test";
    spec.executable = "/bin/busybox";
    spec.argv = {"/bin/busybox", "sh", "-c", script};
    spec.env = {"PATH=/bin"};
    spec.binds = {{.source = "/bin/busybox", .target = "/bin/busybox", .executable = true}};
    for (const char* command : {"cat", "head", "id", "ls", "mount", "rm", "sleep", "tail", "true", "wc"})
        spec.symlinks.push_back({"busybox", std::string("/bin/") + command});
    spec.devices = {Device::Null};
    spec.may_execute = true;
    if (as_root()) spec.host_uid = jail_uid;
    return spec;
}

/// QEMU's filter, with what a shell needs to redirect.
inline Filter shell_filter(const FilterOptions& options = {}) {
    FilterBuilder builder;
    add_qemu_rules(builder, descriptor_ceiling(), options);
    for (const char* call : {"dup2", "dup3", "umask"}) builder.allow(call);
    builder.allow("fcntl", {{.index = 1, .value = F_DUPFD}});
    Filter filter = builder.filter();
    filter.exec_fd = descriptor_ceiling();
    return filter;
}

/// The same under that filter: it can execute nothing more.
inline Spec filtered_shell(const std::string& script) {
    auto spec = shell(script);
    spec.may_execute = false;
    spec.filter = shell_filter();
    return spec;
}

/// The same in a reduced jail: other commands are busybox's own words ("busybox cat").
inline Spec reduced(Spec spec) {
    reduce(spec);
    return spec;
}

struct Outcome {
    ExitStatus status;
    std::string output;
};

/// Runs it to its end.
inline Outcome run(Spec spec) {
    const Fd log = memory_file();
    spec.stub.log = log.get();
    auto child = spawn(spec);
    const auto status = child.wait(-1);
    return {status.value(), content_of(log.get())};
}

/// A contained process that says something and then waits until it is told to go on: looked at in between.
/// The script talks on descriptor 5.
struct Waiting {
    explicit Waiting(Spec spec) : Waiting(std::move(spec), SocketPair(SOCK_STREAM)) {}

    /// The next thing it says, or "" when it is gone.
    std::string hear() const {
        std::string words(256, '\0');
        const auto count = ::recv(ours.get(), words.data(), words.size(), 0);
        words.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
        return words;
    }
    void go_on() const { ::send(ours.get(), "\n", 1, MSG_NOSIGNAL); }
    std::string proc(const std::string& file) const {
        return "/proc/" + std::to_string(child.process_pid()) + '/' + file;
    }

    Fd ours;
    Child child;

  private:
    Waiting(Spec spec, SocketPair pair) : ours(std::move(pair.first)), child(start(spec, pair.second)) {}
    static Child start(Spec& spec, Fd& theirs) {
        spec.fds.push_back({theirs.get(), 5});
        auto child = spawn(spec);
        theirs.reset();
        return child;
    }
};

}  // namespace qvm::jail::test
