// SPDX-License-Identifier: GPL-3.0-or-later
// Where a VM that runs is not what was made of it: somebody changed it beside qvm. Pure.
#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "config/resource.hpp"
#include "launch/processors.hpp"

namespace qvm::launch {

/// What a running QEMU says it has, each by its id. Its networks it does not tell.
struct Observed {
    std::set<std::string> devices, objects, chardevs;
    std::set<std::string> nodes;
    std::set<std::string> unplugged;  ///< devices that are of this host, and gone from it
    std::vector<CpuSlot> cpu_slots;   ///< none where the machine has its processors for good
    /// Of helpers: how they ended, by "host.ID". What the supervisor says, not QEMU.
    std::map<std::string, std::string> ended_helpers = {};

    /// The commands to ask with, and the arguments.
    static Json peripherals_question() { return {{"path", "/machine/peripheral"}}; }
    static Json objects_question() { return {{"path", "/objects"}}; }
    /// From the replies of qom-list of both, query-chardev, query-named-block-nodes (flat) and
    /// query-hotpluggable-cpus.
    static Observed from_replies(const Json& peripherals, const Json& objects, const Json& chardevs,
                                 const Json& nodes, const Json& cpus);
};

struct Drift {
    std::vector<config::ResourceId> missing;                        ///< made, and not there any more
    std::vector<config::ResourceId> extra;                          ///< there, and made by somebody else
    std::vector<std::pair<config::ResourceId, std::string>> ended;  ///< helpers, and how they ended
    bool empty() const { return missing.empty() && extra.empty() && ended.empty(); }
};

Drift drift(const config::Vm& running, const Observed& observed);

}  // namespace qvm::launch
