// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/diff_members.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace qvm::launch {
namespace {

using config::Kind;
using config::Resource;

/// Members that QEMU takes by qom-set while it runs (iothread: include/sysemu/iothread.h; throttle-group:
/// block/throttle-groups.c takes `limits` as a whole; virtio-mem: qapi/qom; bootindex: softmmu/bootdevice.c).
struct SettableMember {
    std::string_view type, member;
    bool may_go;  ///< it can be set to what it is when it is not there
};
constexpr auto settable = std::to_array<SettableMember>({
    {"iothread", "poll-max-ns", false},
    {"iothread", "poll-grow", false},
    {"iothread", "poll-shrink", false},
    {"iothread", "aio-max-batch", false},
    {"iothread", "thread-pool-min", false},
    {"iothread", "thread-pool-max", false},
    {"throttle-group", "limits", true},
    {"virtio-mem-pci", "requested-size", false},
});

/// Members of a block node that blockdev-reopen changes and that leave its descriptor as it is. Other access,
/// or O_DIRECT, takes another descriptor. `driver`: of the one that has it (block/qcow2.c:
/// mutable_opts, block/throttle.c: throttle_reopen_prepare), or any.
struct ReopenedMember {
    std::string_view driver, member;
};
constexpr auto reopened = std::to_array<ReopenedMember>({
    {"", "discard"},
    {"", "detect-zeroes"},
    {"throttle", "throttle-group"},
    {"qcow2", "lazy-refcounts"},
    {"qcow2", "pass-discard-request"},
    {"qcow2", "pass-discard-snapshot"},
    {"qcow2", "pass-discard-other"},
    {"qcow2", "cache-size"},
    {"qcow2", "l2-cache-size"},
    {"qcow2", "l2-cache-entry-size"},
    {"qcow2", "refcount-cache-size"},
    {"qcow2", "cache-clean-interval"},
});

bool is_direct(const Json& cache) {
    return cache.is_object() && cache.value("direct", false);
}

bool takes_reopen(std::string_view driver, const std::string& member, const Json& old_value,
                  const Json& new_value) {
    if (member == "cache") return is_direct(old_value) == is_direct(new_value);
    return std::ranges::any_of(reopened, [&](const ReopenedMember& row) {
        return row.member == member && (row.driver.empty() || row.driver == driver);
    });
}

/// Devices whose block node can be exchanged while the guest uses them.
bool takes_another_drive(std::string_view type) {
    return type == "virtio-blk-pci" || type == "virtio-blk-device" || type == "scsi-hd";
}

Json growth_of(const Resource& resource) {
    return resource.grow_to ? Json(resource.grow_to->value) : Json();
}

std::vector<std::string> changed_members(const Json& before, const Json& after) {
    std::vector<std::string> changed;
    for (const auto& member : before.items())
        if (member_of(after, member.key()) != member.value()) changed.push_back(member.key());
    for (const auto& member : after.items())
        if (!before.contains(member.key())) changed.push_back(member.key());
    return changed;
}

}  // namespace

bool has_removable_medium(std::string_view type) {
    return type == "scsi-cd" || type == "ide-cd";
}

/// Their chr_be_change: hw/char/serial.c, hw/char/virtio-console.c.
bool takes_another_backend(std::string_view type) {
    return type == "isa-serial" || type.starts_with("pci-serial") || type == "virtconsole" ||
           type == "virtserialport";
}

std::optional<Way> way_of(const Resource& after, const std::string& member, const Json& old_value,
                          const Json& new_value) {
    const auto type = after.driver();
    if (after.id.kind == Kind::Device) {
        if (member == "bootindex") return Way::QomSet;
        if (member == "drive" && has_removable_medium(type)) return Way::Medium;
        if (member == "drive" && takes_another_drive(type) && !old_value.is_null() && !new_value.is_null())
            return Way::Drive;
    }
    if (after.id.kind == Kind::Blockdev && takes_reopen(type, member, old_value, new_value))
        return Way::Reopen;
    for (const auto& row : settable)
        if (row.type == type && row.member == member && (row.may_go || !new_value.is_null()))
            return Way::QomSet;
    return std::nullopt;
}

Json member_of(const Json& arguments, const std::string& member) {
    const auto found = arguments.find(member);
    return found == arguments.end() ? Json() : *found;
}

bool is_same(const Resource& before, const Resource& after) {
    if (before.id.kind == Kind::Host)
        return config::to_json(before.properties) == config::to_json(after.properties);
    return before.arguments == after.arguments && growth_of(before) == growth_of(after);
}

std::vector<Change> changes_in_place(const Resource& before, const Resource& after) {
    if (after.id.kind == Kind::Host || before.driver() != after.driver()) return {};
    std::vector<Change> changes;
    for (const auto& member : changed_members(before.arguments, after.arguments)) {
        const auto old_value = member_of(before.arguments, member);
        const auto new_value = member_of(after.arguments, member);
        const auto way = way_of(after, member, old_value, new_value);
        if (!way) return {};
        const config::Value* said = after.properties.table()->find(member);
        changes.push_back({Action::InPlace,
                           after.id,
                           after.made_by,
                           member,
                           *way,
                           old_value,
                           new_value,
                           said != nullptr ? said->origin : after.origin,
                           {}});
    }
    if (growth_of(before) != growth_of(after))
        changes.push_back({Action::InPlace,
                           after.id,
                           after.made_by,
                           "size",
                           Way::Grow,
                           growth_of(before),
                           growth_of(after),
                           after.grow_to ? after.grow_to->origin : after.origin,
                           {}});
    return changes;
}

}  // namespace qvm::launch
