// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/contain.hpp"

#include <fmt/format.h>

#include "jail/profile.hpp"

namespace qvm::launch {

jail::Spec contain(const config::Vm& vm, const Plan& plan, const FdOf& fd_of,
                   const std::filesystem::path& binary, std::optional<std::uint32_t> host_uid) {
    const jail::Program program{binary, vm.qemu.loader, vm.qemu.library_path, vm.qemu.data};
    jail::Spec spec = jail::qemu_profile(program, plan.accel == "kvm");
    spec.name = vm.name.value;
    spec.host_uid = host_uid;
    spec.contained = vm.jail_mode.value != config::JailMode::Off;
    if (!vm.qemu.module_dir.empty()) {
        spec.env.push_back("QEMU_MODULE_DIR=" + vm.qemu.module_dir.string());
        spec.binds.push_back(
            {.source = vm.qemu.module_dir, .target = vm.qemu.module_dir, .executable = true});
    }
    for (const auto& word : plan.argv()) spec.argv.push_back(word);
    for (const auto& step : plan.steps) {
        if (const auto* inherit = std::get_if<InheritStep>(&step.action))
            spec.fds.push_back({fd_of(inherit->host), inherit->number});
        else if (const auto* copy = std::get_if<CopyStep>(&step.action))
            spec.copies.push_back({fd_of(copy->host), copy->jail_path, copy->host});
    }
    return spec;
}

}  // namespace qvm::launch
