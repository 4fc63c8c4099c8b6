// SPDX-License-Identifier: GPL-3.0-or-later
// From a plan to the jail that QEMU runs in.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "config/resource.hpp"
#include "jail/filter.hpp"
#include "jail/spec.hpp"
#include "launch/jail_uids.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// What a file's jail.mode means.
jail::Mode mode_of(config::JailMode mode);

/// What a file lets QEMU ask of the kernel, and where.
jail::FilterOptions filter_options(const config::Vm& vm);

/// Whom a contained process of root's runs as.
void set_ids(jail::Spec& spec, const std::optional<HostIds>& ids);

/// What a file's jail.on-violation means.
jail::Violation violation_of(const config::JailOptions& options);

/// QEMU's system call filter. It takes libseccomp some milliseconds and
/// needs nothing else, so a caller may run it beside other work.
jail::Filter filter_for(const jail::FilterOptions& options, jail::Violation violation);

/// The descriptor of a HostStep, by its name.
using FdOf = std::function<int(const std::string&)>;

/// The whole Spec of a VM's QEMU except its stub. Descriptors are borrowed, from HostResources::fd; to look
/// at the Spec, any number serves.
jail::Spec contain(const config::Vm& vm, const Plan& plan, const FdOf& fd_of,
                   const std::filesystem::path& binary, std::optional<HostIds> ids, jail::Filter filter);

}  // namespace qvm::launch
