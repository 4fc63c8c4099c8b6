// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_jail.hpp"

#include <fmt/format.h>

namespace qvm::config {
namespace {

/// With it QEMU's own network reaches nothing beyond QEMU anyway.
bool is_restricted(const Table& netdev) {
    const Value* value = netdev.find("restrict");
    return value != nullptr && value->boolean() != nullptr && *value->boolean();
}

void check_slirp(const Resource& netdev, Diagnostics& diagnostics) {
    const Table* table = netdev.properties.table();
    const Value* type = table == nullptr ? nullptr : table->find("type");
    if (type == nullptr || type->string() == nullptr || *type->string() != "user" || is_restricted(*table))
        return;
    diagnostics.add(
        {DiagnosticKind::Conflict,
         type->origin,
         fmt::format("netdev.{}: QEMU's own user network needs the host's, and the jail has none",
                     netdev.id.id),
         {},
         {fmt::format("[net.{}] with type = \"user\" does the same by passt, in a jail of its own",
                      netdev.id.id),
          "jail.net = \"host\" gives QEMU the host's network; restrict = true does without"}});
}

}  // namespace

void check_jail(const Vm& vm, Diagnostics& diagnostics) {
    if (vm.jail_mode.value == JailMode::Off) return;
    for (const Resource& resource : vm.resources) {
        if (resource.id.kind == Kind::Netdev && vm.jail.net.value == JailNet::None)
            check_slirp(resource, diagnostics);
    }
}

}  // namespace qvm::config
