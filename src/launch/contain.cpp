// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/contain.hpp"

#include <sys/resource.h>

#include <fmt/format.h>

#include "config/sugar_display.hpp"
#include "jail/profile.hpp"
#include "jail/reduced.hpp"
#include "launch/hardware.hpp"
#include "launch/own_window.hpp"
#include "launch/passed_device.hpp"
#include "launch/usb_device.hpp"

namespace qvm::launch {
namespace {

jail::Landlock landlock_of(const config::JailOptions& jail) {
    switch (jail.landlock.value) {
        case config::JailLandlock::Auto:
            return jail::Landlock::Auto;
        case config::JailLandlock::Require:
            return jail::Landlock::Require;
        case config::JailLandlock::Off:
            return jail::Landlock::Off;
    }
    return jail::Landlock::Auto;
}

/// The host's, with its name servers, which slirp tells the guest.
void give_network(jail::Spec& spec) {
    spec.namespaces.net = false;
    spec.internet = true;
    spec.binds.push_back({.source = "/etc/resolv.conf", .target = "/etc/resolv.conf", .optional = true});
}

}  // namespace

jail::Mode mode_of(config::JailMode mode) {
    switch (mode) {
        case config::JailMode::Strict:
            return jail::Mode::Strict;
        case config::JailMode::Reduced:
            return jail::Mode::Reduced;
        case config::JailMode::Off:
            return jail::Mode::Off;
    }
    return jail::Mode::Strict;
}

jail::FilterOptions filter_options(const config::Vm& vm) {
    return {.mode = mode_of(vm.jail_mode.value),
            .internet = vm.jail.net.value == config::JailNet::Host,
            .io_uring = vm.jail.io_uring.value,
            .vfio = !passed_devices(vm).empty(),
            .usb = lets_usb_in(vm),
            .window = !config::own_window(vm).empty()};
}

void set_ids(jail::Spec& spec, const std::optional<HostIds>& ids) {
    if (!ids) return;
    spec.host_uid = ids->uid;
    spec.host_gid = ids->gid;
}

jail::Violation violation_of(const config::JailOptions& options) {
    switch (options.on_violation.value) {
        case config::JailViolation::Errno:
            return jail::Violation::Errno;
        case config::JailViolation::Kill:
            return jail::Violation::Kill;
        case config::JailViolation::Log:
            return jail::Violation::Log;
    }
    return jail::Violation::Errno;
}

jail::Filter filter_for(const jail::FilterOptions& options, jail::Violation violation) {
    return jail::qemu_filter(jail::descriptor_ceiling(), violation, options);
}

jail::Spec contain(const config::Vm& vm, const Plan& plan, const FdOf& fd_of,
                   const std::filesystem::path& binary, std::optional<HostIds> ids, jail::Filter filter) {
    const jail::Program program{.binary = binary,
                                .loader = vm.qemu.loader,
                                .library_path = vm.qemu.library_path,
                                .data = vm.qemu.data,
                                .modules = vm.qemu.module_dir,
                                .by_file = vm.jail.root.value == config::JailRoot::Files};
    jail::Spec spec = jail::qemu_profile(program, plan.accel == "kvm", std::move(filter));
    spec.landlock = landlock_of(vm.jail);
    for (const auto& bind : vm.jail.binds_ro)
        spec.binds.push_back({.source = bind.value, .target = bind.value});
    spec.name = vm.name.value;
    spec.end_with_parent = vm.lifecycle.on_supervisor_death.value == config::OnSupervisorDeath::Kill;
    set_ids(spec, ids);
    if (vm.jail.net.value == config::JailNet::Host) give_network(spec);
    for (const auto& device : passed_devices(vm)) let_in(spec, device);
    if (locks_memory(vm)) spec.limits.push_back({RLIMIT_MEMLOCK, RLIM_INFINITY});
    spec.mode = mode_of(vm.jail_mode.value);
    let_window_in(spec, config::own_window(vm), Session::from_environment());
    for (const auto& word : plan.argv()) spec.argv.push_back(word);
    for (const auto& step : plan.steps) {
        if (const auto* inherit = std::get_if<InheritStep>(&step.action))
            spec.fds.push_back({fd_of(inherit->host), inherit->number});
        else if (const auto* copy = std::get_if<CopyStep>(&step.action))
            spec.copies.push_back({fd_of(copy->host), copy->jail_path, copy->host, copy->number});
        else if (const auto* bind = std::get_if<BindStep>(&step.action))
            spec.binds.push_back({.source = bind->path,
                                  .target = bind->target.empty() ? bind->path : bind->target,
                                  .writable = !bind->target.empty()});
    }
    if (spec.mode == jail::Mode::Reduced) jail::reduce(spec);
    return spec;
}

}  // namespace qvm::launch
