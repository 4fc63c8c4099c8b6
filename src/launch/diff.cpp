// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/diff.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "config/balloon.hpp"
#include "config/rules_buses.hpp"
#include "config/shared_memory.hpp"
#include "launch/client_door.hpp"
#include "launch/command_line.hpp"
#include "launch/diff_members.hpp"
#include "launch/diff_settings.hpp"
#include "launch/memory_parts.hpp"
#include "launch/passed_device.hpp"
#include "launch/placement.hpp"
#include "launch/processors.hpp"
#include "launch/usb_device.hpp"

namespace qvm::launch {
namespace {

using config::Kind;
using config::Resource;
using config::ResourceId;
using config::Value;

/// What becomes of one resource.
enum class Fate {
    Same,
    InPlace,
    Renew,  ///< a block node that is exchanged under a drive whose medium can be changed
    Replug,
    Add,
    Remove,
    NextStart,
};

struct Node {
    const Resource* before = nullptr;
    const Resource* after = nullptr;
    Fate fate = Fate::Same;
    std::vector<Change> in_place;
    std::string why;
};

constexpr const char* with_machine = "the machine was started with it";

/// Does a [[qmp]] use that [host.ID]?
bool is_for_command(const config::Vm& vm, const std::string& id) {
    return std::ranges::any_of(vm.commands, [&](const auto& command) {
        return std::ranges::find(command.host_uses, id, &config::HostUse::host) != command.host_uses.end();
    });
}

class Differ {
  public:
    Differ(const Side& running, const Side& wanted, const qapi::Capabilities& qemu)
        : running_(running), wanted_(wanted), qemu_(qemu) {
        for (const auto& resource : running.vm.resources) nodes_[resource.id].before = &resource;
        for (const auto& resource : wanted.vm.resources) nodes_[resource.id].after = &resource;
        read_needs(running.vm, needs_before_, needed_before_);
        read_needs(wanted.vm, needs_after_, needed_after_);
        places_before_ = placements_of(running.vm, qemu);
        places_after_ = placements_of(wanted.vm, qemu);
    }

    Difference run() {
        judge_each();
        renew_media();
        while (spread_replugs() || spread_next_start()) {
        }
        Difference difference;
        difference.changes = diff_settings(running_, wanted_);
        links(difference.changes);
        resources(difference.changes);
        return difference;
    }

  private:
    using Edges = std::map<ResourceId, std::set<ResourceId>>;

    static void read_needs(const config::Vm& vm, Edges& needs, Edges& needed_by) {
        const auto link = [&](const ResourceId& from, const ResourceId& to) {
            if (vm.find(to) == nullptr) return;
            needs[from].insert(to);
            needed_by[to].insert(from);
        };
        for (const auto& resource : vm.resources) {
            for (const auto& reference : resource.references) link(resource.id, reference.target);
            for (const auto& use : resource.host_uses)
                if (!use.host.empty()) link(resource.id, {Kind::Host, use.host});
        }
    }

    static const std::set<ResourceId>& at(const Edges& edges, const ResourceId& id) {
        static const std::set<ResourceId> none;
        const auto found = edges.find(id);
        return found == edges.end() ? none : found->second;
    }

    bool is_fixed(const Node& node, const ResourceId& id) const {
        const auto fixed = [&](const auto& places) {
            const auto found = places.find(id.id);
            return found != places.end() && found->second == Placement::Argv;
        };
        if (id.kind != Kind::Device) return false;
        return (node.before != nullptr && fixed(places_before_)) ||
               (node.after != nullptr && fixed(places_after_));
    }

    bool is_copied(const Resource& resource) const {
        return wanted_.vm.jail_mode.value != config::JailMode::Off &&
               std::ranges::any_of(resource.host_uses,
                                   [](const auto& use) { return use.entrance == config::Entrance::Copy; });
    }

    bool is_bound(const Resource& resource) const {
        return wanted_.vm.jail_mode.value != config::JailMode::Off &&
               std::ranges::any_of(resource.host_uses,
                                   [](const auto& use) { return use.entrance == config::Entrance::Bind; });
    }

    static bool is_listening(const Resource& resource) {
        return std::ranges::any_of(resource.host_uses,
                                   [](const auto& use) { return use.entrance == config::Entrance::Listen; });
    }

    static bool has_spice(const config::Vm& vm) {
        return std::ranges::find(vm.options, "spice", &config::NamedTable::name) != vm.options.end();
    }

    void judge_each();
    void judge_memory(Node& node, const ResourceId& id);
    void renew_media();
    bool collect_drives(const ResourceId& node, std::set<ResourceId>& blockdevs,
                        std::set<ResourceId>& drives) const;
    /// True for a device, and for what one of what runs stands on.
    bool is_under_device(const ResourceId& id) const {
        return id.kind == Kind::Device || std::ranges::any_of(at(needed_before_, id), [&](const auto& user) {
                   return is_under_device(user);
               });
    }
    std::string bound_socket(const Node& node) const;
    std::string held_tap(const Node& node) const;
    bool keeps_chardev(const ResourceId& id) const;
    bool spread_replugs();
    bool spread_next_start();
    bool put_off(Node& node, std::string why) {
        if (node.fate == Fate::NextStart || node.fate == Fate::Same) return false;
        node.fate = Fate::NextStart;
        node.why = std::move(why);
        return true;
    }

    void links(std::vector<Change>& changes) const;
    void resources(std::vector<Change>& changes) const;
    Change change_of(const Node& node, const ResourceId& id, Action action) const;

    const Side& running_;
    const Side& wanted_;
    const qapi::Capabilities& qemu_;
    std::map<ResourceId, Node> nodes_;
    Edges needs_before_, needed_before_, needs_after_, needed_after_;
    std::map<std::string, Placement, std::less<>> places_before_, places_after_;
    std::set<ResourceId> at_start_;
};

void Differ::judge_each() {
    at_start_ = named_at_start(running_.vm);
    at_start_.merge(named_at_start(wanted_.vm));
    for (auto& [id, node] : nodes_) {
        if (node.before == nullptr)
            node.fate = Fate::Add;
        else if (node.after == nullptr)
            node.fate = Fate::Remove;
        else if (is_same(*node.before, *node.after) && !running_.broken.contains(id))
            continue;
        else
            node.fate = Fate::Replug;
        if (const auto broken = running_.broken.find(id); broken != running_.broken.end())
            node.why = broken->second;
        if (at_start_.contains(id)) {
            put_off(node, with_machine);
            continue;
        }
        if (const auto* balloon = config::balloon_device(running_.vm);
            node.fate == Fate::Add && balloon != nullptr && balloon->id != id &&
            config::balloon_device(wanted_.vm) == node.after)
            put_off(node, "QEMU has no more than one balloon, and has " + balloon->id.to_string());
        if (id.kind == Kind::Audiodev) put_off(node, "QEMU takes an audiodev only on its command line");
        if (id.kind == Kind::Host &&
            (is_for_command(running_.vm, id.id) || is_for_command(wanted_.vm, id.id)))
            put_off(node, "QEMU gets it by a command at its start");
        if (id.kind == Kind::Chardev && has_spice(running_.vm) != has_spice(wanted_.vm) &&
            (node.before != nullptr ? *node.before : *node.after).driver() == "spicevmc")
            put_off(node, "SPICE comes and goes with QEMU");
        if (is_door(node.before != nullptr ? *node.before : *node.after) ||
            (node.after != nullptr && is_door(*node.after)))
            put_off(node, "qvm listens there for clients of QEMU as long as it runs");
        if (node.fate == Fate::Replug) {
            node.in_place = changes_in_place(*node.before, *node.after);
            if (id.kind == Kind::Chardev && keeps_chardev(id))
                node.in_place.push_back({Action::InPlace,
                                         id,
                                         node.after->made_by,
                                         "backend",
                                         Way::Backend,
                                         member_of(node.before->arguments, "backend"),
                                         member_of(node.after->arguments, "backend"),
                                         node.after->origin,
                                         {}});
            if (!node.in_place.empty()) node.fate = Fate::InPlace;
        }
        if (const auto interface = held_tap(node); !interface.empty())
            put_off(node, fmt::format("QEMU has the {} until then", interface));
        if (const auto socket = bound_socket(node); !socket.empty())
            put_off(node, "QEMU listens on " + socket + " until then");
        if (node.fate != Fate::InPlace && node.after != nullptr && is_copied(*node.after))
            put_off(node, "a file that it names is copied into the jail before QEMU starts");
        if (node.fate != Fate::InPlace && node.after != nullptr && is_bound(*node.after))
            put_off(node, "its socket gets into the jail before QEMU starts");
        if ((node.before != nullptr && is_listening(*node.before)) ||
            (node.after != nullptr && is_listening(*node.after)))
            put_off(node, "QEMU listens there from its start to its end");
        if (node.fate != Fate::InPlace && node.after != nullptr && comes_at_start(wanted_.vm, *node.after))
            put_off(node, "what it opens of the host gets into the jail before QEMU starts");
        if (node.fate != Fate::InPlace && node.after != nullptr && is_usb_host(*node.after) &&
            wanted_.vm.jail_mode.value != config::JailMode::Off && !lets_usb_in(running_.vm))
            put_off(node,
                    "the jail that QEMU is in has no way for USB devices: hotplug.usb = true makes one");
        if (node.after != nullptr && !config::vhost_user_chardev(*node.after).empty() &&
            !config::shares_memory(running_.vm))
            put_off(node, "the memory that the VM was started with is not shared");
        if (node.before != nullptr && id.kind == Kind::Device && qemu_.is_a(node.before->driver(), "cpu") &&
            !lets_processors_go(qemu_, running_.accel))
            put_off(node, "with tcg, this QEMU does not survive that a processor goes");
        if (node.fate != Fate::InPlace && is_fixed(node, id))
            put_off(node, "QEMU takes such a device only on its command line");
        if (node.fate != Fate::InPlace) judge_memory(node, id);
    }
}

/// Memory that is plugged has its place in a range that the machine is started with, and what the guest has
/// of it does not come back by asking.
void Differ::judge_memory(Node& node, const ResourceId& id) {
    const auto is_memory = [](const Resource* device) {
        return device != nullptr && takes_room_for_memory(*device);
    };
    const auto room = [](const config::Vm& vm) { return vm.memory_max ? vm.memory_max->value : 0; };
    if (!is_memory(node.before) && !is_memory(node.after)) return;
    if (node.before != nullptr && node.before->driver().starts_with("virtio-mem-"))
        put_off(node, "QEMU does not let a virtio-mem device go");
    else if (node.after == nullptr || is_hot_dimm(id))
        return;  // it makes room, or place_memory() has found some for it
    else if (running_.vm.memory_in_dimms && node.after->made_by == "memory")
        put_off(node, "the room was meant for DIMMs when it was started");
    else if (room(running_.vm) != room(wanted_.vm))
        put_off(node, "the machine was started with other room for memory");
}

/// A socket on which QEMU listens already, and goes on to: it cannot be bound a second time for what would
/// be made anew.
std::string Differ::bound_socket(const Node& node) const {
    if (node.before == nullptr || node.after == nullptr) return {};
    for (const auto& use : node.after->host_uses) {
        const auto host = use.host.empty() ? nodes_.end() : nodes_.find({Kind::Host, use.host});
        if (host == nodes_.end() || host->second.before == nullptr || host->second.after == nullptr) continue;
        const std::string* mode = config::text_at(*host->second.after, "mode");
        const bool listens =
            host->second.after->driver() == "socket" && (mode == nullptr || *mode != "connect");
        if (listens && is_same(*host->second.before, *host->second.after)) return host->first.to_string();
    }
    return {};
}

/// A tap that QEMU has open: it cannot be opened a second time for what would be made anew.
std::string Differ::held_tap(const Node& node) const {
    if (node.before == nullptr || node.after == nullptr) return {};
    const auto name_in = [](const Resource* host) {
        if (host == nullptr || host->driver() != "tap") return std::string();
        const std::string* name = config::text_at(*host, "ifname");
        const std::string* mac = config::text_at(*host, "mac");
        // No two macvtaps have the same address.
        return name != nullptr  ? fmt::format("interface '{}'", *name)
               : mac != nullptr ? "macvtap with the address " + *mac
                                : std::string();
    };
    const auto held = [&](const Node& host) {
        auto name = name_in(host.before);
        return name == name_in(host.after) ? name : std::string();
    };
    if (node.after->id.kind == Kind::Host) return held(node);
    for (const auto& use : node.after->host_uses)
        if (const auto host = nodes_.find({Kind::Host, use.host}); !use.host.empty() && host != nodes_.end())
            if (auto name = held(host->second); !name.empty()) return name;
    return {};
}

/// True if all that use a chardev go on with whatever is on its other end. That of `qvm console` is qvm's
/// own.
bool Differ::keeps_chardev(const ResourceId& id) const {
    const auto& before = *nodes_.at(id).before;
    const auto& after = *nodes_.at(id).after;
    const auto is_mux = [](const Resource& chardev) {
        const Json& backend = chardev.arguments.at("backend");
        return backend.contains("data") && backend.at("data").value("mux", false);
    };
    if (id.id == running_.vm.console || id.id == wanted_.vm.console || is_mux(before) || is_mux(after))
        return false;
    const auto goes_on = [&](const ResourceId& user) {
        const Node& there = nodes_.at(user);
        return there.before != nullptr && there.after != nullptr &&
               takes_another_backend(there.after->driver());
    };
    const auto& users = at(needed_before_, id);
    return !users.empty() && std::ranges::all_of(users, goes_on) &&
           std::ranges::all_of(at(needed_after_, id), goes_on);
}

/// The drives that use a block node, and the nodes between; false when anything else uses it.
bool Differ::collect_drives(const ResourceId& node, std::set<ResourceId>& blockdevs,
                            std::set<ResourceId>& drives) const {
    if (!blockdevs.insert(node).second) return true;
    for (const auto* edges : {&needed_before_, &needed_after_})
        for (const auto& user : at(*edges, node)) {
            const Node& there = nodes_.at(user);
            if (user.kind == Kind::Blockdev) {
                if (!collect_drives(user, blockdevs, drives)) return false;
                continue;
            }
            const bool drive = user.kind == Kind::Device && there.before != nullptr &&
                               there.after != nullptr && has_removable_medium(there.after->driver()) &&
                               (there.fate == Fate::Same || there.fate == Fate::InPlace);
            if (!drive) return false;
            drives.insert(user);
        }
    return true;
}

/// A medium is exchanged although its node keeps its name.
void Differ::renew_media() {
    for (auto& [id, node] : nodes_) {
        if (id.kind != Kind::Blockdev || node.fate != Fate::Replug) continue;
        std::set<ResourceId> blockdevs, drives;
        if (!collect_drives(id, blockdevs, drives) || drives.empty()) continue;
        for (const auto& blockdev : blockdevs)
            if (Node& there = nodes_.at(blockdev); there.before != nullptr && there.after != nullptr)
                there.fate = Fate::Renew;
        for (const auto& drive : drives) {
            Node& there = nodes_.at(drive);
            const auto is_medium = [](const Change& change) { return change.way == Way::Medium; };
            if (std::ranges::any_of(there.in_place, is_medium)) continue;
            const auto name = member_of(there.after->arguments, "drive");
            there.fate = Fate::InPlace;
            there.in_place.push_back({Action::InPlace,
                                      drive,
                                      there.after->made_by,
                                      "drive",
                                      Way::Medium,
                                      name,
                                      name,
                                      there.after->origin,
                                      {}});
        }
    }
}

/// What stands on a resource that goes and comes must go and come too.
bool Differ::spread_replugs() {
    bool changed = false;
    for (const auto& [id, node] : nodes_) {
        if (node.fate != Fate::Replug) continue;
        for (const auto& user : at(needed_before_, id)) {
            Node& there = nodes_.at(user);
            if (there.fate != Fate::Same && there.fate != Fate::InPlace) continue;
            there.fate = Fate::Replug;
            there.why = "it needs " + id.to_string();
            if (at_start_.contains(user)) put_off(there, with_machine);
            if (is_fixed(there, user))
                put_off(there, "it needs " + id.to_string() + ", and cannot be unplugged");
            judge_memory(there, user);
            changed = true;
        }
    }
    return changed;
}

/// What stays until the next start keeps what it needs, and what comes then comes with what needs it.
bool Differ::spread_next_start() {
    bool changed = false;
    for (const auto& [id, node] : nodes_) {
        if (node.fate != Fate::NextStart) continue;
        if (node.before != nullptr)
            for (const auto& needed : at(needs_before_, id)) {
                Node& there = nodes_.at(needed);
                if (there.fate == Fate::Remove || there.fate == Fate::Replug || there.fate == Fate::Renew)
                    changed |= put_off(there, id.to_string() + " needs it until then");
            }
        else
            for (const auto& needed : at(needs_after_, id)) {
                Node& there = nodes_.at(needed);
                const auto& users = at(needed_after_, needed);
                const bool all_wait = std::ranges::all_of(
                    users, [&](const auto& user) { return nodes_.at(user).fate == Fate::NextStart; });
                if (there.fate == Fate::Add && all_wait)
                    changed |= put_off(there, "only " + id.to_string() + " needs it");
            }
        for (const auto& user : at(needed_after_, id))
            changed |= put_off(nodes_.at(user), "it needs " + id.to_string());
    }
    return changed;
}

void Differ::links(std::vector<Change>& changes) const {
    const auto is_down = [](const config::Vm& vm, const std::string& id) {
        return std::ranges::any_of(vm.links_down, [&](const auto& link) { return link.value == id; });
    };
    for (const auto& [id, node] : nodes_) {
        if (id.kind != Kind::Device || node.before == nullptr || node.after == nullptr) continue;
        const bool was_down = is_down(running_.vm, id.id);
        const bool down = is_down(wanted_.vm, id.id);
        if (was_down == down || node.fate == Fate::Replug) continue;
        changes.push_back({Action::InPlace,
                           id,
                           node.after->made_by,
                           "link",
                           Way::Link,
                           !was_down,
                           !down,
                           node.after->origin,
                           {}});
    }
}

Change Differ::change_of(const Node& node, const ResourceId& id, Action action) const {
    const Resource& shown = node.after != nullptr ? *node.after : *node.before;
    Change change{action, id, shown.made_by, {}, Way::QomSet, {}, {}, {}, node.why};
    const auto said = [&](const Resource& resource) {
        return id.kind == Kind::Host ? config::to_json(resource.properties) : resource.arguments;
    };
    if (node.before != nullptr) change.before = said(*node.before);
    if (node.after != nullptr) {
        change.after = said(*node.after);
        change.origin = node.after->origin;
    }
    return change;
}

void Differ::resources(std::vector<Change>& changes) const {
    for (const auto& resource : wanted_.vm.resources) {
        const Node& node = nodes_.at(resource.id);
        switch (node.fate) {
            case Fate::Same:
            case Fate::Remove:
                break;
            case Fate::InPlace:
                for (const auto& change : node.in_place) changes.push_back(change);
                break;
            case Fate::Renew: {
                auto change = change_of(node, resource.id, Action::InPlace);
                change.way = Way::Medium;
                changes.push_back(std::move(change));
                break;
            }
            case Fate::Replug: {
                const bool seen = is_under_device(resource.id);
                auto change = change_of(node, resource.id, seen ? Action::Replug : Action::InPlace);
                if (!seen) change.way = Way::Remake;
                changes.push_back(std::move(change));
                break;
            }
            case Fate::Add:
                changes.push_back(change_of(node, resource.id, Action::Add));
                break;
            case Fate::NextStart:
                changes.push_back(change_of(node, resource.id, Action::NextStart));
                break;
        }
    }
    for (auto resource = running_.vm.resources.rbegin(); resource != running_.vm.resources.rend();
         ++resource) {
        const Node& node = nodes_.at(resource->id);
        if (node.after != nullptr) continue;
        changes.push_back(
            change_of(node, resource->id, node.fate == Fate::Remove ? Action::Remove : Action::NextStart));
    }
}

}  // namespace

bool Difference::has(Action action) const {
    return std::ranges::any_of(changes, [&](const auto& change) { return change.action == action; });
}

bool Difference::has_live(bool replug) const {
    return std::ranges::any_of(changes, [&](const auto& change) {
        return change.action != Action::NextStart && (replug || change.action != Action::Replug);
    });
}

Difference diff(const Side& running, const Side& wanted, const qapi::Capabilities& qemu) {
    return Differ(running, wanted, qemu).run();
}

}  // namespace qvm::launch
