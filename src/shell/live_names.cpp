// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/live_names.hpp"

#include <algorithm>
#include <array>

namespace qvm::shell {
namespace {

/// Of one query: more than a user would look through.
constexpr std::size_t most_names = 20'000;
/// Queries whose answers are kept, the latest used ones.
constexpr std::size_t most_queries = 256;
/// Devices that are asked for their netdev.
constexpr std::size_t most_nics = 64;
/// Objects that are looked at for buses below them; fewer than most_queries, or they would be forgotten and
/// asked for round and round.
constexpr std::size_t most_holders = 160;

using Query = LiveNames::Query;

Json argument(const char* name, Json value) {
    Json arguments = Json::object();
    arguments[name] = std::move(value);
    return arguments;
}

Query list_of_types(const char* implemented) {
    Json arguments = argument("implements", implemented);
    arguments["abstract"] = false;
    return {"qom-list-types", std::move(arguments)};
}

Query children_of(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return {"qom-list", argument("path", path.empty() ? "/" : std::string(path))};
}

Query netdev_of(const std::string& device) {
    Json arguments = argument("path", "/machine/peripheral/" + device);
    arguments["property"] = "netdev";
    return {"qom-get", std::move(arguments)};
}

/// The query that tells the names. Netdev has none of its own.
Query query_for(NameKind kind, std::string_view context) {
    switch (kind) {
        case NameKind::Node:
        case NameKind::Snapshot:
            return {"query-named-block-nodes", argument("flat", true)};
        case NameKind::Disk:
            return {"query-block"};
        case NameKind::Device:
        case NameKind::Netdev:
            return children_of("/machine/peripheral");
        case NameKind::Chardev:
            return {"query-chardev"};
        case NameKind::Job:
            return {"query-jobs"};
        case NameKind::Object:
            return children_of("/objects");
        case NameKind::Memdev:
            return {"query-memdev"};
        case NameKind::QomPath:
        case NameKind::QomProperty:
            return children_of(context);
        case NameKind::Bus:
            return list_of_types("bus");
        case NameKind::DeviceType:
            return list_of_types("device");
        case NameKind::ObjectType:
            return list_of_types("user-creatable");
        case NameKind::DeviceProperty:
            return {"device-list-properties", argument("typename", std::string(context))};
    }
    return {};
}

/// A member's text; empty where there is none.
std::string text(const Json& object, const char* member) {
    if (!object.is_object()) return {};
    const auto found = object.find(member);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// "virtio-blk-pci" of "child<virtio-blk-pci>"; empty if it is no child.
std::string child_type(std::string_view type) {
    constexpr std::string_view mark = "child<";
    if (!type.starts_with(mark) || !type.ends_with('>')) return {};
    return std::string(type.substr(mark.size(), type.size() - mark.size() - 1));
}

/// There are many of these, and no bus is below them.
bool holds_no_bus(std::string_view type) {
    return type == "memory-region" || type == "irq" || type.ends_with("-cpu") || type.starts_with("qemu:");
}

/// A bus that nothing can be put on: it is full from its beginning, or is the machine's own.
bool takes_no_device(std::string_view bus_type) {
    return bus_type == "virtio-pci-bus" || bus_type == "virtio-mmio-bus" || bus_type == "virtio-ccw-bus" ||
           bus_type == "System";
}

/// What of a given implements= has names of which kind.
NameKind kind_of_types(const std::string& implements) {
    if (implements == "device") return NameKind::DeviceType;
    return implements == "bus" ? NameKind::Bus : NameKind::ObjectType;
}

/// Everything that one element of an answer tells.
class Reader {
  public:
    Reader(const Query& query, std::map<NameKind, std::vector<std::string>>& names,
           std::map<std::string, std::string, std::less<>>& types,
           std::map<std::string, std::string>& children)
        : command_(query.command), names_(names), types_(types), children_(children) {
        if (command_ == "qom-list-types") kind_ = kind_of_types(text(query.arguments, "implements"));
        const std::string path = text(query.arguments, "path");
        if (command_ == "qom-list" && path == "/machine/peripheral") kind_ = NameKind::Device;
        if (command_ == "qom-list" && path == "/objects") kind_ = NameKind::Object;
    }

    void read(const Json& element) {
        if (command_ == "query-named-block-nodes") return read_node(element);
        if (command_ == "query-block") return read_disk(element);
        if (command_ == "qom-list") return read_child(element);
        if (command_ == "device-list-properties") {
            add(NameKind::DeviceProperty, text(element, "name"));
            types_[text(element, "name")] = text(element, "type");
        }
        if (command_ == "query-chardev") add(NameKind::Chardev, text(element, "label"));
        if (command_ == "query-jobs") add(NameKind::Job, text(element, "id"));
        if (command_ == "query-memdev") add(NameKind::Memdev, text(element, "id"));
        if (command_ == "qom-list-types") add(kind_, text(element, "name"));
    }

  private:
    void read_node(const Json& node) {
        add(NameKind::Node, text(node, "node-name"));
        if (!node.is_object() || !node.contains("image") || !node["image"].is_object()) return;
        const auto snapshots = node["image"].find("snapshots");
        if (snapshots == node["image"].end()) return;
        for (const Json& snapshot : *snapshots) add(NameKind::Snapshot, text(snapshot, "name"));
    }

    void read_disk(const Json& disk) {
        add(NameKind::Disk, text(disk, "device"));
        // "/machine/peripheral/ID", or something below it: commands want the ID.
        constexpr std::string_view peripheral = "/machine/peripheral/";
        std::string qdev = text(disk, "qdev");
        if (qdev.starts_with(peripheral)) {
            qdev.erase(0, peripheral.size());
            qdev.erase(std::min(qdev.find('/'), qdev.size()));
        }
        add(NameKind::Disk, qdev);
    }

    void read_child(const Json& property) {
        const std::string name = text(property, "name");
        const std::string type = text(property, "type");
        const std::string child = child_type(type);
        const bool is_child = !child.empty();
        if (is_child && children_.size() < most_names) children_[name] = child;
        if (is_child && kind_ != NameKind::QomPath) add(kind_, name);
        if (is_child || type.starts_with("link<")) add(NameKind::QomPath, name);
        if (is_child) return;
        add(NameKind::QomProperty, name);
        types_[name] = type;
    }

    void add(NameKind kind, const std::string& name) {
        auto& all = names_[kind];
        if (!name.empty() && all.size() < most_names) all.push_back(name);
    }

    std::string command_;
    NameKind kind_ = NameKind::QomPath;
    std::map<NameKind, std::vector<std::string>>& names_;
    std::map<std::string, std::string, std::less<>>& types_;
    std::map<std::string, std::string>& children_;
};

/// Beginnings of commands and of events, and the queries whose answers they may change.
struct Change {
    std::string_view beginning;
    std::string_view query;
};
constexpr std::array command_changes{
    Change{"block", "query-named-block-nodes"},
    Change{"block", "query-block"},
    Change{"block", "query-jobs"},
    Change{"drive-", "query-named-block-nodes"},
    Change{"drive-", "query-jobs"},
    Change{"change-backing-file", "query-"},
    Change{"transaction", "query-named-block-nodes"},
    Change{"transaction", "query-block"},
    Change{"transaction", "query-jobs"},
    Change{"eject", "query-block"},
    Change{"change", "query-block"},
    Change{"job-", "query-jobs"},
    Change{"job-", "query-named-block-nodes"},
    Change{"snapshot-", "query-jobs"},
    Change{"snapshot-", "query-named-block-nodes"},
    Change{"nbd-", "query-named-block-nodes"},
    Change{"device_", "qom-"},
    Change{"device_", "query-block"},
    Change{"object-", "qom-"},
    Change{"object-", "query-memdev"},
    Change{"netdev_", "qom-get"},
    Change{"chardev-", "query-chardev"},
    Change{"qom-set", "qom-get"},
    Change{"human-monitor-command", "query-"},
    Change{"human-monitor-command", "qom-"},
    Change{"__org.qvm_", "query-"},
    Change{"__org.qvm_", "qom-"},
};
constexpr std::array event_changes{
    Change{"DEVICE_", "qom-"},           Change{"DEVICE_", "query-block"},
    Change{"JOB_", "query-jobs"},        Change{"JOB_", "query-named-block-nodes"},
    Change{"BLOCK_JOB_", "query-jobs"},  Change{"BLOCK_JOB_", "query-named-block-nodes"},
    Change{"BLOCK_JOB_", "query-block"}, Change{"ACPI_DEVICE_OST", "qom-"},
    Change{"MEM_UNPLUG_ERROR", "qom-"},
};

/// What an executable can make does not change while it runs.
bool lasts(std::string_view command) {
    return command == "qom-list-types";
}

void sort_unique(std::vector<std::string>& names) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

std::string LiveNames::Query::key() const {
    return command + " " + arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const LiveNames::Entry* LiveNames::known(Query query) {
    const std::string key = query.key();
    auto found = entries_.find(key);
    if (found == entries_.end()) {
        make_room();
        Entry entry;
        entry.query = std::move(query);
        found = entries_.emplace(key, std::move(entry)).first;
    }
    found->second.used = ++clock_;
    return found->second.state == State::Known ? &found->second : nullptr;
}

void LiveNames::make_room() {
    if (entries_.size() < most_queries) return;
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
        const bool may_go = it->second.state == State::Known || it->second.state == State::Wanted;
        if (may_go && (oldest == entries_.end() || it->second.used < oldest->second.used)) oldest = it;
    }
    if (oldest != entries_.end()) entries_.erase(oldest);
}

std::optional<std::vector<std::string>> LiveNames::names(NameKind kind, std::string_view context) {
    if (kind == NameKind::Netdev) return netdevs();
    if (kind == NameKind::Bus) return buses();
    const Entry* entry = known(query_for(kind, context));
    if (entry == nullptr) return std::nullopt;
    const auto found = entry->names.find(kind);
    return found == entry->names.end() ? std::vector<std::string>{} : found->second;
}

/// No query lists them: those that devices use, and those that were added under our eyes.
std::optional<std::vector<std::string>> LiveNames::netdevs() {
    const auto devices = names(NameKind::Device, {});
    if (!devices) return std::nullopt;
    std::vector<std::string> all(own_netdevs_.begin(), own_netdevs_.end());
    bool complete = true;
    for (std::size_t i = 0; i < std::min(devices->size(), most_nics); ++i) {
        const Entry* entry = known(netdev_of((*devices)[i]));
        complete = complete && entry != nullptr;
        if (entry == nullptr) continue;
        const auto found = entry->names.find(NameKind::Netdev);
        if (found == entry->names.end()) continue;
        for (const std::string& name : found->second)
            if (!gone_netdevs_.contains(name)) all.push_back(name);
    }
    if (!complete) return std::nullopt;
    sort_unique(all);
    return all;
}

/// A bus is a child of its device, under its own name; what is nearest to the machine is looked at first.
std::optional<std::vector<std::string>> LiveNames::buses() {
    const Entry* types = known(query_for(NameKind::Bus, {}));
    if (types == nullptr) return std::nullopt;
    const auto known_types = types->names.find(NameKind::Bus);
    if (known_types == types->names.end()) return std::vector<std::string>{};
    const std::set<std::string> bus_types(known_types->second.begin(), known_types->second.end());
    std::vector<std::string> all;
    std::vector<std::string> holders{"/machine"};
    bool complete = true;
    for (std::size_t i = 0; i < holders.size(); ++i) {
        const Entry* holder = known(children_of(holders[i]));
        complete = complete && holder != nullptr;
        if (holder == nullptr) continue;
        for (const auto& [name, type] : holder->children) {
            if (!bus_types.contains(type)) {
                if (!holds_no_bus(type) && holders.size() < most_holders)
                    holders.push_back(holders[i] + "/" + name);
            } else if (!takes_no_device(type)) {
                all.push_back(name);
            }
        }
    }
    if (!complete) return std::nullopt;
    sort_unique(all);
    return all;
}

std::string LiveNames::property_type(std::string_view type_or_path, std::string_view property) {
    const bool is_path = type_or_path.starts_with('/');
    const Entry* entry =
        known(query_for(is_path ? NameKind::QomProperty : NameKind::DeviceProperty, type_or_path));
    if (entry == nullptr) return {};
    const auto found = entry->types.find(property);
    return found == entry->types.end() ? std::string() : found->second;
}

std::vector<LiveNames::Query> LiveNames::take_wanted() {
    std::vector<Query> wanted;
    for (auto& [key, entry] : entries_) {
        if (entry.state != State::Wanted) continue;
        entry.state = State::Asked;
        wanted.push_back(entry.query);
    }
    return wanted;
}

bool LiveNames::waiting() const {
    return std::ranges::any_of(entries_,
                               [](const auto& entry) { return entry.second.state != State::Known; });
}

void LiveNames::absorb(const Query& query, const Json& reply) {
    const auto found = entries_.find(query.key());
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    if (entry.state == State::Outdated) {
        entry.state = State::Wanted;
        return;
    }
    entry.state = State::Known;
    entry.names.clear();
    entry.types.clear();
    entry.children.clear();
    if (query.command == "qom-get") {
        if (reply.is_string() && !reply.get_ref<const std::string&>().empty())
            entry.names[NameKind::Netdev].push_back(reply.get<std::string>());
        return;
    }
    if (!reply.is_array()) return;
    Reader reader(query, entry.names, entry.types, entry.children);
    for (const Json& element : reply) reader.read(element);
    for (auto& [kind, all] : entry.names) sort_unique(all);
}

void LiveNames::refuse(const Query& query) {
    absorb(query, nullptr);
}

void LiveNames::outdate(std::string_view beginning) {
    for (auto it = entries_.begin(); it != entries_.end();) {
        Entry& entry = it->second;
        const bool concerned = entry.query.command.starts_with(beginning) && !lasts(entry.query.command);
        if (concerned && (entry.state == State::Asked || entry.state == State::Outdated))
            entry.state = State::Outdated;
        it = concerned && entry.state == State::Known ? entries_.erase(it) : std::next(it);
    }
}

void LiveNames::heed_event(std::string_view name) {
    for (const Change& change : event_changes)
        if (name.starts_with(change.beginning)) outdate(change.query);
}

void LiveNames::heed_command(std::string_view command, const Json& arguments) {
    for (const Change& change : command_changes)
        if (command.starts_with(change.beginning)) outdate(change.query);
    const std::string id = text(arguments, "id");
    if (command == "netdev_add") {
        own_netdevs_.insert(id);
        gone_netdevs_.erase(id);
    } else if (command == "netdev_del") {
        own_netdevs_.erase(id);
        gone_netdevs_.insert(id);
    }
}

void LiveNames::forget() {
    entries_.clear();
    own_netdevs_.clear();
    gone_netdevs_.clear();
}

}  // namespace qvm::shell
