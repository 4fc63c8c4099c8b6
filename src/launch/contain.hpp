// SPDX-License-Identifier: GPL-3.0-or-later
// From a plan to the jail that QEMU runs in.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "config/resource.hpp"
#include "jail/spec.hpp"
#include "launch/host.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// The whole Spec of a VM's QEMU except its stub. Descriptors are borrowed from `host`.
jail::Spec contain(const config::Vm& vm, const Plan& plan, const HostResources& host,
                   const std::filesystem::path& binary, std::optional<std::uint32_t> host_uid);

}  // namespace qvm::launch
