// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/reduced.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "jail/layout.hpp"
#include "jail/sys.hpp"

namespace qvm::jail {

namespace {

Fd copy_in_memory(const Copy& copy) {
    const auto action = "copy " + copy.subject + " into memory";
    Fd memory(::memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory) throw_errno(action);
    // Not its position, which it shares with whoever else has it open.
    off_t offset = 0;
    long sent = 0;
    do {
        sent = sys::sendfile(memory.get(), copy.fd, offset, std::size_t{1} << 30U);
    } while (sent > 0 || sent == -EINTR);
    if (sent < 0) throw SystemError(action, static_cast<int>(-sent));
    if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        throw_errno(action);
    return memory;
}

bool is_kvm_for_everyone(struct stat& status) {
    constexpr mode_t for_everyone = S_IROTH | S_IWOTH;
    return ::stat(device_path(Device::Kvm).c_str(), &status) == 0 &&
           (status.st_mode & for_everyone) == for_everyone;
}

}  // namespace

void reduce(Spec& spec) {
    spec.mode = Mode::Reduced;
    spec.namespaces = {.net = false, .pid = false};
    spec.symlinks.clear();
    spec.directories.clear();
    spec.tmpfs.clear();
    spec.proc = false;
    // Counted for all of a user's processes, not for a namespace's: an ordinary desktop is beyond it.
    if (::geteuid() != 0)
        std::erase_if(spec.limits, [](const Limit& limit) { return limit.resource == RLIMIT_NPROC; });
}

std::optional<gid_t> group_of_kvm() {
    constexpr mode_t for_group = S_IRGRP | S_IWGRP;
    struct stat status {};
    if (is_kvm_for_everyone(status)) return std::nullopt;
    if ((status.st_mode & for_group) != for_group || status.st_gid == 0) return std::nullopt;
    return status.st_gid;
}

bool is_kvm_roots_alone() {
    struct stat status {};
    return ::geteuid() == 0 && !is_kvm_for_everyone(status) && !group_of_kvm();
}

std::vector<Fd> copies_in_memory(const Spec& spec) {
    std::vector<Fd> copies;
    for (const auto& copy : spec.copies) copies.push_back(copy_in_memory(copy));
    return copies;
}

bool may_make_namespaces(uid_t uid) {
    const pid_t child = ::fork();
    if (child < 0) return true;  // not known to be impossible
    if (child == 0) {
        const bool became = ::geteuid() == uid || (sys::setresgid(uid) == 0 && sys::setresuid(uid) == 0);
        // Some systems grant the namespace and then no right in it.
        const bool made = ::unshare(CLONE_NEWUSER) == 0 && ::unshare(CLONE_NEWNS) == 0;
        ::_exit(!became || made ? 0 : 1);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status == 0;
}

}  // namespace qvm::jail
