// SPDX-License-Identifier: GPL-3.0-or-later
// Which devices a block node ends up under, and whether they let others write.
#pragma once
#include <map>
#include <set>
#include <span>
#include <string>

#include "config/resource.hpp"

namespace qvm::config {

/// The device says share-rw: it lets others write what it uses.
bool shares(const Resource& device);
/// There are devices, and all of them do.
bool all_share(const std::set<const Resource*>& devices);

/// What is at the member of a resource, as in Reference::member; null if nothing is.
const Value* value_at(const Resource& resource, std::span<const std::string> member);

/// Who uses each block node; a node inside another one is used by the whole. Borrows the VM, whose references
/// have been found.
class BlockUsers {
  public:
    explicit BlockUsers(const Vm& vm);

    /// Directly or through other nodes.
    std::set<const Resource*> devices_on(const std::string& node) const;

  private:
    void add_inner(const Resource& owner, const Value& value);

    std::multimap<std::string, const Resource*> users_;
};

}  // namespace qvm::config
