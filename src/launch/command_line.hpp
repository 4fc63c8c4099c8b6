// SPDX-License-Identifier: GPL-3.0-or-later
// Which resources QEMU gets on its command line, and which by QMP. Pure.
#pragma once
#include <set>

#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// What the machine or an option names: QEMU takes it once, before any command can be sent. Introspection
/// does not tell which of their members are references; what is called like a resource is meant to be one.
std::set<config::ResourceId> named_at_start(const config::Vm& vm);

/// Devices by the placement rule, others if they are few, and all they need. QEMU's complaint about one
/// repeats the option, and so leads to the file as well as the error of a command.
class CommandLine {
  public:
    /// Borrows `vm`.
    CommandLine(const config::Vm& vm, const qapi::Capabilities& qemu);
    bool has(const config::ResourceId& id) const { return members_.contains(id); }

  private:
    void add(const config::ResourceId& id);
    bool may_be_seen(const config::ResourceId& id) const;
    bool stands_alone(const config::Resource& resource) const;

    const config::Vm& vm_;
    std::set<config::ResourceId> members_;
};

}  // namespace qvm::launch
