// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of the jail share: a Spec that runs busybox contained, files without names, and what came
// out.
#pragma once
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "base/fd.hpp"
#include "jail/filter.hpp"
#include "jail/spawn.hpp"
#include "jail/spec.hpp"

namespace qvm::jail::test {

inline constexpr std::uint32_t jail_uid = 64123;  ///< as root, the user of the jails; owns nothing

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

/// busybox, which is static and needs nothing, running `script`; it may execute itself, which is at
/// /bin/busybox.
inline Spec shell(const std::string& script) {
    Spec spec;
    spec.name = "test";
    spec.executable = "/bin/busybox";
    spec.argv = {"/bin/busybox", "sh", "-c", script};
    spec.env = {"PATH=/bin"};
    spec.binds = {{.source = "/bin/busybox", .target = "/bin/busybox", .executable = true}};
    spec.devices = {Device::Null};
    spec.may_execute = true;
    if (::geteuid() == 0) spec.host_uid = jail_uid;
    return spec;
}

/// The same under QEMU's filter: it can execute nothing more.
inline Spec filtered_shell(const std::string& script) {
    auto spec = shell(script);
    spec.may_execute = false;
    spec.filter = qemu_filter(descriptor_ceiling());
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

}  // namespace qvm::jail::test
