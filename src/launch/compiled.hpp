// SPDX-License-Identifier: GPL-3.0-or-later
// What runs, as text that can be read again: the raw level of the language, in parts, so that a part can be
// replaced when a change of it has been made.
#pragma once
#include <string>
#include <vector>

#include "base/json.hpp"
#include "config/resource.hpp"
#include "launch/probe.hpp"

namespace qvm::launch {

/// One resource of a VM that runs.
struct CompiledResource {
    std::string id;       ///< "blockdev.root"
    std::string made_by;  ///< "disk.root"; "hotplug" for the ports that qvm added
    std::string text;     ///< TOML
    bool operator==(const CompiledResource&) const = default;
};

struct Compiled {
    std::string settings;  ///< of the VM as a whole: TOML
    std::vector<CompiledResource> resources;
    unsigned spare_pcie_ports = 0;  ///< as the file asked for; they are among the resources

    /// The whole, as `qvm show --compiled` prints it.
    std::string text() const;
    /// Puts it in the place of the one with its id, or at the end.
    void set(CompiledResource resource);
    void erase(const std::string& id);

    Json to_json() const;
    /// Throws Json::exception.
    static Compiled from_json(const Json& saved);
    bool operator==(const Compiled&) const = default;
};

/// Of a VM that has been placed. `spare_pcie_ports`: what the file said before that.
Compiled compiled(const config::Vm& vm, unsigned spare_pcie_ports);
CompiledResource compiled(const config::Resource& resource);

/// The VM again as a file means it, without a QEMU to check it against.
config::Vm lower_compiled(const Compiled& compiled);

/// The VM again, placed and checked against the QEMU at hand. Throws Error when that does not know any more
/// what runs: `vm` names it.
config::Vm read_compiled(const Compiled& compiled, const std::string& vm, Probe& probe);

}  // namespace qvm::launch
