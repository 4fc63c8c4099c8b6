// SPDX-License-Identifier: GPL-3.0-or-later
// The limits of a VM as a whole: from its file to a cgroup, and back from the cgroup to what a user reads.
#pragma once
#include <memory>
#include <string>

#include "base/json.hpp"
#include "config/resource.hpp"
#include "jail/cgroup.hpp"
#include "launch/plan.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// What the file says, and the automatic limit of pids. `io_devices` are the disks of this host that hold the
/// plan's files.
jail::CgroupLimits group_limits(const config::Vm& vm, const Plan& plan);

/// The group for the VM's processes, or null with jail.cgroup = "off". Throws Error (HostCannot) where a
/// required limit cannot be had.
std::unique_ptr<jail::Cgroup> make_cgroup(const config::Vm& vm, const Plan& plan, const VmState& state);

/// True if the file asks for a limit: then it is in force before the guest's first instruction. The automatic
/// one may come a moment later, because RLIMIT_NPROC is there from the beginning.
bool limits_asked_for(const config::Vm& vm);

/// The limits as an operation carries them, and back; the latter throws Json::exception.
Json limits_to_json(const jail::CgroupLimits& limits);
jail::CgroupLimits limits_from_json(const Json& saved);

/// "memory 768M, cpu 1.5, pids 300 (cgroup v1)"; "none" where nothing is limited.
std::string describe_limits(const jail::CgroupRecord& record);
/// {cgroup: "v2"|"v1"|"none", in-force: {memory, cpu, pids, io: {read, write}}, missing: [..]}
Json limits_json(const jail::CgroupRecord& record);

}  // namespace qvm::launch
