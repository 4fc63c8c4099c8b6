// SPDX-License-Identifier: GPL-3.0-or-later
// Who refers to whom: found by introspection, checked for existence and kind.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/check_report.hpp"
#include "config/resource.hpp"
#include "config/rules_buses.hpp"
#include "config/rules_references.hpp"

namespace qvm::config {

/// Of an option whose introspection says only "string": that its member `key` is the id of a `kind`.
void check_option_reference(const Vm& vm, const NamedTable& option, std::string_view key, Kind kind,
                            Diagnostics& diagnostics);

/// Finds the targets of references among a VM's resources. Borrows them: the VM must not change meanwhile.
class References {
  public:
    /// Reports node names that are used twice.
    References(Vm& vm, Reporter& reporter);

    /// Members of a resource other than a device, by its (typed) arguments.
    void find_in_arguments(Resource& resource, const Subject& subject);
    /// A property of a device (`from`) or of the machine (`from` null).
    void find_in_property(Resource* from, const Subject& subject, const qapi::Property& property,
                          const Json& value);
    /// The `bus` of a device: must be a bus of this VM, and of the kind the device sits on.
    void find_bus(Resource& device, const Subject& subject);
    /// "@X" members.
    void find_hosts(Resource& resource);

    /// After all have been found: blockdevs and netdevs that nobody uses.
    void report_unused();

  private:
    void walk(Resource& from, const Subject& subject, const qapi::Type& type, const Json& value,
              qapi::Path& path);
    void add_nodes(Resource& owner, const Value& value, bool top);
    void refer(Resource* from, const Subject& subject, const qapi::Path& path, const std::string& name,
               const Target& target);
    Resource* find(Kind kind, std::string_view name) const;
    bool fits(const Resource& found, const Target& target) const;
    void report_missing(const Subject& subject, const qapi::Path& path, const std::string& name,
                        const Target& target);
    std::vector<std::string> names(const Target& target) const;

    Vm& vm_;
    Reporter& reporter_;
    BusMap buses_;
    std::map<std::pair<Kind, std::string>, Resource*, std::less<>>
        by_id_;  ///< blockdevs also by inner node names
    std::set<const Resource*> used_;
    std::set<const Resource*> perhaps_meant_;  ///< by a reference to something with nearly that name
};

}  // namespace qvm::config
