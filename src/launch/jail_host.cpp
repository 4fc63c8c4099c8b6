// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_host.hpp"

#include <cerrno>
#include <fstream>
#include <pwd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::launch {
namespace {

std::vector<std::string> user_names() {
    std::vector<std::string> names;
    ::setpwent();
    while (const passwd* user = ::getpwent()) names.emplace_back(user->pw_name);
    ::endpwent();
    return names;
}

class Checker {
  public:
    Checker(const config::JailOptions& jail, Diagnostics& diagnostics)
        : jail_(jail), diagnostics_(diagnostics) {}

    void run() {
        if (jail_.user) user(*jail_.user);
        if (jail_.uid_range && ::geteuid() != 0)
            report(DiagnosticKind::Unused, jail_.uid_range->origin,
                   "jail.uid-range is for root: started by an ordinary user QEMU has his uid",
                   {"leave it out, or start the VM as root"});
        if (jail_.io_uring.value) io_uring();
    }

  private:
    void report(DiagnosticKind kind, const Origin& origin, std::string message,
                std::vector<std::string> notes, std::string label = {}) {
        diagnostics_.add({kind, origin, std::move(message), std::move(label), std::move(notes)});
    }

    void user(const config::Setting<std::string>& name) {
        const auto ids = user_named(name.value);
        if (!ids)
            return report(DiagnosticKind::BadRef, name.origin,
                          fmt::format("this host has no user '{}'", name.value), {"in jail.user"},
                          did_you_mean(name.value, user_names()));
        if (ids->uid == 0)
            return report(DiagnosticKind::BadValue, name.origin,
                          fmt::format("'{}' is root, which is never the user of a jail", name.value),
                          {"without jail.user each VM of root's has a uid of its own"});
        const auto own = ::geteuid();
        if (own != 0 && ids->uid != own)
            return report(DiagnosticKind::BadValue, name.origin,
                          fmt::format("QEMU cannot run as '{}': only root may choose its user", name.value),
                          {fmt::format("you are uid {}; leave jail.user out, or start the VM as root", own)});
        if (own == 0 && ids->gid == 0)
            report(DiagnosticKind::BadValue, name.origin,
                   fmt::format("the group of '{}' is root's, which is never the group of a jail", name.value),
                   {"choose a user with a group of its own"});
    }

    void io_uring() {
        // No such number of entries, and no place for the answer: all that can come of it is an error.
        const int error = ::syscall(SYS_io_uring_setup, 0L, nullptr) < 0 ? errno : 0;
        std::string disabled;
        std::ifstream("/proc/sys/kernel/io_uring_disabled") >> disabled;
        const auto trouble = io_uring_trouble(error, ::geteuid() == 0 || disabled != "1" ? disabled : "0");
        if (trouble.empty()) return;
        report(DiagnosticKind::BadValue, jail_.io_uring.origin, "jail.io-uring: this kernel refuses io_uring",
               {trouble, "a disk with aio = \"native\" or \"threads\" does without"});
    }

    const config::JailOptions& jail_;
    Diagnostics& diagnostics_;
};

}  // namespace

std::optional<HostIds> user_named(const std::string& name) {
    passwd entry{};
    passwd* found = nullptr;
    constexpr std::size_t longest_entry = 16384;
    std::string buffer(longest_entry, '\0');
    if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return HostIds{found->pw_uid, found->pw_gid};
}

JailUids::Range range_of(const config::JailOptions& jail) {
    if (!jail.uid_range) return JailUids::usual;
    return {jail.uid_range->value.first, jail.uid_range->value.last};
}

std::optional<HostIds> ids_for(const config::JailOptions& jail, VmState& state) {
    if (::geteuid() != 0) return std::nullopt;
    if (jail.user) {
        const auto ids = user_named(jail.user->value);
        if (!ids)
            throw Error(ExitCode::HostCannot,
                        fmt::format("this host has no user '{}' any more", jail.user->value));
        return ids;
    }
    const auto uid = state.host_uid(range_of(jail));
    return HostIds{*uid, *uid};
}

std::string io_uring_trouble(int error, const std::string& disabled) {
    if (disabled == "2") return "/proc/sys/kernel/io_uring_disabled is 2: for nobody";
    if (disabled == "1")
        return "/proc/sys/kernel/io_uring_disabled is 1: for the privileged and its group alone, and QEMU is "
               "neither";
    if (error == ENOSYS) return "it was built without";
    if (error == EPERM || error == EACCES)
        return fmt::format("io_uring_setup answers {}: a container's filter, perhaps", errno_text(error));
    return {};
}

void check_jail_host(const config::Vm& vm, Diagnostics& diagnostics) {
    if (vm.jail_mode.value != config::JailMode::Off) Checker(vm.jail, diagnostics).run();
}

}  // namespace qvm::launch
