// SPDX-License-Identifier: GPL-3.0-or-later
// Which accelerator this host can do.
#include <cerrno>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "jail/reduced.hpp"
#include "launch/probe.hpp"

namespace qvm::launch {
namespace {

/// Why not, or "". A module that is loaded is not enough: nested, or beside another hypervisor, it makes no
/// VM.
std::string trouble_with_kvm(config::JailMode mode) {
    const Fd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm) {
        if (errno == ENOENT)
            return "there is no /dev/kvm: the module is not loaded, or the firmware switches it off";
        if (errno == EACCES) return "you may not open /dev/kvm: join the group kvm";
        return fmt::format("cannot open /dev/kvm: {}", errno_text(errno));
    }
    if (mode == config::JailMode::Reduced && jail::is_kvm_roots_alone())
        return "only root may open /dev/kvm, and QEMU is not root in a reduced jail: `chgrp kvm /dev/kvm && "
               "chmod 660 /dev/kvm` lets it have that group";
    if (::ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return "/dev/kvm speaks another version";
    const Fd vm(::ioctl(kvm.get(), KVM_CREATE_VM, 0));
    if (!vm) return fmt::format("/dev/kvm makes no VM: {}", errno_text(errno));
    return {};
}

std::string trouble_with(const std::string& accel, config::JailMode mode) {
    if (accel == "tcg") return {};
    if (accel == "kvm") return trouble_with_kvm(mode);
    return "qvm knows kvm and tcg";
}

}  // namespace

std::string choose_accelerator(const std::vector<std::string>& wanted, config::JailMode mode,
                               std::string& notice) {
    notice.clear();
    std::vector<std::string> troubles;
    for (const auto& accel : wanted) {
        auto trouble = trouble_with(accel, mode);
        if (trouble.empty()) {
            if (!troubles.empty())
                notice = fmt::format("{}; {} is used instead{}", fmt::join(troubles, "; "), accel,
                                     accel == "tcg" ? ", which is many times slower" : "");
            return accel;
        }
        troubles.push_back(fmt::format("{} does not work here ({})", accel, trouble));
    }
    throw Error(ExitCode::HostCannot, fmt::format("{}", fmt::join(troubles, "; ")),
                "accel = [\"kvm\", \"tcg\"] in [machine] falls back to emulation");
}

}  // namespace qvm::launch
