// SPDX-License-Identifier: GPL-3.0-or-later
// The jail of a VM, for people who review it: `qvm jail plan`.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "jail/filter.hpp"
#include "jail/landlock.hpp"
#include "jail/layout.hpp"
#include "jail/spec.hpp"
#include "launch/jail_uids.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// A descriptor that QEMU gets: with its start, or later over QMP.
struct GivenFd {
    std::string number;  ///< "3", or how it comes: "add-fd set 1", "getfd"
    std::string name;    ///< of the HostStep
    std::string access;  ///< "ro", "rw", "wo"
    std::string what;    ///< a path and what is done with it
};

/// Everything in it is decided; nothing was opened.
struct JailPlan {
    std::string vm;
    jail::Spec spec;                ///< its descriptors are no real ones
    jail::Layout layout;            ///< of the file system
    std::vector<jail::Rule> rules;  ///< of the filter
    std::vector<GivenFd> fds;
    std::vector<GivenFd> copies;        ///< `number` is the path in the jail
    jail::Violation violation;          ///< what becomes of a call that no rule names
    std::vector<jail::PathRule> paths;  ///< that Landlock leaves
    std::optional<int> landlock_abi;    ///< of this host, when it may be looked at
    std::string user;                   ///< jail.user, or empty
    /// As root, of a VM that has no uid yet: what it will be one of.
    std::optional<JailUids::Range> uids;

    /// `violation` and `options`: what the filter of `contained` was made with.
    JailPlan(const Plan& plan, jail::Spec contained, jail::Violation violation,
             std::optional<int> landlock_abi, const jail::FilterOptions& options = {});
    /// As root: the devices are not those of the host, but new ones that the VM's uid owns, where the kernel
    /// lets root make such.
    void make_devices_anew();
    Json to_json() const;
    std::string to_text() const;
};

}  // namespace qvm::launch
