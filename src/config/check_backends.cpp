// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_backends.hpp"

#include <algorithm>
#include <map>
#include <span>

#include <fmt/format.h>

#include "config/block_users.hpp"

namespace qvm::config {
namespace {

/// One frontend of a backend.
struct Use {
    std::string user;  ///< "device 'root'"
    Origin origin;
    bool writes = true;
    bool shares = false;  ///< lets others write
};

using Uses = std::map<ResourceId, std::vector<Use>>;

std::string describe_user(const Resource& resource) {
    return fmt::format("{} '{}'", table_name(resource.id.kind), resource.id.id);
}

/// Whether the node at `member` of a blockdev is opened read-only: as it says, else as what it is below; a
/// backing file always.
bool is_read_only(const Resource& blockdev, std::span<const std::string> member) {
    bool read_only = false;
    for (std::size_t depth = 0;; ++depth) {
        const Value* value = value_at(blockdev, member.first(depth));
        const Table* node = value == nullptr ? nullptr : value->table();
        const Value* said = node == nullptr ? nullptr : node->find("read-only");
        if (said != nullptr && said->boolean() != nullptr) read_only = *said->boolean();
        if (depth == member.size()) break;
        if (member[depth] == "backing") read_only = true;
    }
    return read_only;
}

/// These read whatever they are attached to (hw/scsi/scsi-disk.c, hw/ide/qdev.c).
bool only_reads(const Resource& device) {
    const std::string driver = device.driver();
    return driver == "scsi-cd" || driver == "ide-cd";
}

/// Collects who writes and reads each block node; a node inside another has its parent for a user.
class NodeUses {
  public:
    explicit NodeUses(const Vm& vm) : vm_(vm), users_(vm) {
        for (const Resource& resource : vm.resources) {
            if (resource.id.kind != Kind::Blockdev) continue;
            read_only_.emplace(resource.id.id, is_read_only(resource, {}));
            std::vector<std::string> member;
            add_inner(resource, resource.properties, member);
        }
        for (const Resource& resource : vm.resources)
            for (const Reference& reference : resource.references)
                if (reference.target.kind == Kind::Blockdev) add(resource, reference);
        add_machine();
    }

    const Uses& uses() const { return uses_; }

  private:
    void add_inner(const Resource& owner, const Value& value, std::vector<std::string>& member) {
        if (const Array* array = value.array()) {
            for (std::size_t i = 0; i < array->size(); ++i) {
                member.push_back(std::to_string(i));
                add_inner(owner, (*array)[i], member);
                member.pop_back();
            }
        }
        if (value.table() == nullptr) return;
        const Value* name = member.empty() ? nullptr : value.table()->find("node-name");
        if (name != nullptr && name->string() != nullptr &&
            read_only_.emplace(*name->string(), is_read_only(owner, member)).second) {
            add_child_use(owner, member, *name->string(), name->origin);
        }
        for (const Entry& entry : value.table()->entries()) {
            member.push_back(entry.key);
            add_inner(owner, entry.value, member);
            member.pop_back();
        }
    }

    void add_child_use(const Resource& parent, const std::vector<std::string>& member,
                       const std::string& node, const Origin& origin) {
        // A node asks for what is asked of it: nothing as long as no device is on it.
        const auto devices = users_.devices_on(parent.id.id);
        const bool writes = !devices.empty() && !is_read_only(parent, member);
        uses_[{Kind::Blockdev, node}].push_back(
            {describe_user(parent), origin, writes, devices.empty() || all_share(devices)});
    }

    void add(const Resource& user, const Reference& reference) {
        const Value* value = value_at(user, reference.member);
        if (value == nullptr || value->string() == nullptr) return;
        const std::string& node = *value->string();
        if (user.id.kind == Kind::Blockdev)
            add_child_use(user, reference.member, node, reference.origin);
        else
            uses_[{Kind::Blockdev, node}].push_back({describe_user(user), reference.origin,
                                                     !only_reads(user) && !read_only_[node], shares(user)});
    }

    /// pflash0 = "NODE": the board makes the flash device.
    void add_machine() {
        for (const Entry& entry : vm_.machine.properties.entries())
            if (entry.key.starts_with("pflash") && entry.value.string() != nullptr) {
                const std::string& node = *entry.value.string();
                uses_[{Kind::Blockdev, node}].push_back({fmt::format("machine property '{}'", entry.key),
                                                         entry.value.origin, !read_only_[node], false});
            }
    }

    const Vm& vm_;
    BlockUsers users_;
    std::map<std::string, bool> read_only_;
    Uses uses_;
};

std::string what_helps(Kind kind) {
    switch (kind) {
        case Kind::Netdev:
            return "a netdev serves one nic: give each its own";
        case Kind::Chardev:
            return "a chardev serves one frontend, unless it is a mux: backend = { type = \"mux\", data = { "
                   "chardev = \"ID\" } } over the one that is shared";
        case Kind::Blockdev:
            return "give each its own image; or read-only = true to the node, if all only read; or, for a "
                   "guest that is made for that, share-rw = true to both devices";
        case Kind::Object:
        case Kind::Audiodev:
        case Kind::Device:
        case Kind::Host:
            return {};
    }
    return {};
}

bool collide(const Use& a, const Use& b) {
    return (a.writes && !b.shares) || (b.writes && !a.shares);
}

void report(const ResourceId& backend, const Use& early, const Use& late, Diagnostics& diagnostics) {
    const bool block = backend.kind == Kind::Blockdev;
    diagnostics.add(
        {DiagnosticKind::Conflict,
         late.origin,
         fmt::format("{} '{}' is used by {} and by {}{}", block ? "block node" : table_name(backend.kind),
                     backend.id, early.user, late.user, block ? ", and written" : ""),
         {},
         {fmt::format("{} uses it {}", early.user,
                      early.origin.known() ? "at " + early.origin.to_string() : "by default"),
          what_helps(backend.kind)}});
}

/// Each use that does not go with an earlier one, once.
void check_uses(const ResourceId& backend, std::vector<Use> uses, Diagnostics& diagnostics) {
    std::ranges::stable_sort(uses, [](const Use& a, const Use& b) { return a.origin < b.origin; });
    for (auto late = uses.begin(); late != uses.end(); ++late) {
        const auto early = std::find_if(uses.begin(), late, [&](const Use& u) { return collide(u, *late); });
        if (early != late) report(backend, *early, *late, diagnostics);
    }
}

/// A filter looks on while a nic uses the netdev.
bool occupies(const Resource& user, Kind backend) {
    return backend == Kind::Chardev || user.id.kind != Kind::Object;
}

}  // namespace

void check_backends(const Vm& vm, Diagnostics& diagnostics) {
    Uses uses = NodeUses(vm).uses();
    for (const Resource& resource : vm.resources)
        for (const Reference& reference : resource.references) {
            const Kind kind = reference.target.kind;
            if ((kind != Kind::Netdev && kind != Kind::Chardev) || !occupies(resource, kind)) continue;
            const Resource* backend = vm.find(reference.target);
            if (kind == Kind::Chardev && backend != nullptr && backend->driver() == "mux") continue;
            uses[reference.target].push_back({describe_user(resource), reference.origin});
        }
    for (const auto& [backend, list] : uses) check_uses(backend, list, diagnostics);
}

}  // namespace qvm::config
