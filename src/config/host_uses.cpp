// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/host_uses.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/host_use_rows.hpp"
#include "config/lowering.hpp"
#include "config/shared_memory.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;
using namespace host_use;

/// What every jail has at its usual place.
constexpr std::array<std::string_view, 2> always_there{"/dev/urandom", "/dev/null"};

/// The filter of a reduced jail, which has no root of its own, lets QEMU connect to nothing.
constexpr std::string_view needs_strict = "jail.mode = \"strict\" shows QEMU this socket alone";

std::optional<Place> place_of(Kind kind) {
    switch (kind) {
        case Kind::Object:
            return Place::Object;
        case Kind::Chardev:
            return Place::Chardev;
        case Kind::Blockdev:
            return Place::Blockdev;
        case Kind::Netdev:
            return Place::Netdev;
        case Kind::Audiodev:
            return Place::Audiodev;
        case Kind::Device:
            return Place::Device;
        case Kind::Host:
            return std::nullopt;
    }
    return std::nullopt;
}

bool has_word(std::string_view words, std::string_view word) {
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == word) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

std::string joined(std::span<const std::string> parts) {
    return fmt::format("{}", fmt::join(parts, "."));
}

/// Looks through one table of members: a resource, the machine, an option.
class Finder {
  public:
    Finder(const Vm& vm, const Document& document, Diagnostics& diagnostics)
        : jailed_(vm.jail_mode.value != JailMode::Off),
          reduced_(vm.jail_mode.value == JailMode::Reduced),
          binds_(vm.jail.binds_ro),
          document_(document),
          diagnostics_(diagnostics) {
        for (const auto& resource : vm.resources)
            if (resource.id.kind == Kind::Host) hosts_.emplace(resource.id.id, &resource);
        for (const auto& resource : vm.resources)
            if (auto chardev = vhost_user_chardev(resource);
                !chardev.empty() && resource.id.kind == Kind::Netdev) {
                const ResourceId id{Kind::Chardev, std::move(chardev)};
                const Resource* said = vm.find(id);
                of_vhost_user_.emplace(id.to_string(),
                                       said != nullptr && listens(*said) ? Entrance::Listen : Entrance::Bind);
            }
    }

    std::vector<HostUse> find(Place place, const std::string& driver, std::string where, Table& members) {
        place_ = place;
        where_ = std::move(where);
        uses_.clear();
        path_.clear();
        enter(members, {driver, 0, false});
        return std::move(uses_);
    }

  private:
    /// The table whose `driver` decides what a member means, and how deep in `path_` it begins.
    struct Node {
        std::string driver;
        std::size_t depth;
        bool read_only;
        bool auto_read_only = false;
        bool* is_written = nullptr;  ///< where to say that its file comes in for writing
    };

    void enter(Table& table, Node node) {
        if (place_ == Place::Blockdev) {
            const Value* driver = table.find("driver");
            if (driver != nullptr && driver->is_string()) {
                const bool backing = !path_.empty() && path_.back() == "backing";
                node = {*driver->string(), path_.size(),
                        said(table, "read-only").value_or(node.read_only || backing),
                        said(table, "auto-read-only").value_or(node.auto_read_only)};
            }
        }
        bool is_written = false;
        node.is_written = &is_written;
        for (auto& entry : table.entries()) {
            path_.push_back(entry.key);
            visit(entry.value, node);
            path_.pop_back();
        }
        if (is_written) open_at_once(table);
    }

    /// Its file comes in for writing, and that is the only descriptor that QEMU gets. It would look for
    /// another one to read by; and two descriptors of one file hold locks against each other.
    static void open_at_once(Table& table) {
        const Value* said = table.find("auto-read-only");
        const Origin origin = said == nullptr ? Origin() : said->origin;
        table.set("auto-read-only", origin, Value(false, origin));
    }

    static void note_written(const Row& row, const Node& node) {
        if (row.way == Way::Fdset && row.reach == Reach::ByNode && node.auto_read_only && !node.read_only)
            *node.is_written = true;
    }

    static std::optional<bool> said(const Table& table, std::string_view key) {
        const Value* value = table.find(key);
        const bool* flag = value == nullptr ? nullptr : value->boolean();
        return flag == nullptr ? std::nullopt : std::optional(*flag);
    }

    void visit(Value& value, const Node& node) {
        if (Table* table = value.table()) enter(*table, node);
        if (value.is_string()) leaf(value, node);
        Array* array = value.array();
        for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
            path_.push_back(std::to_string(i));
            visit((*array)[i], node);
            path_.pop_back();
        }
    }

    void leaf(Value& value, const Node& node) {
        const std::string text = *value.string();
        const Row* row = row_of(place_, node.driver, std::span(path_).subspan(node.depth));
        if (text.starts_with('@') && is_raw_id(std::string_view(text).substr(1))) {
            host_reference(row, text.substr(1), node, value.origin);
            return;
        }
        if (row == nullptr) {
            std::error_code ignored;
            if (jailed_ && text.starts_with('/') && !is_always_there(text) && !is_bound(text) &&
                fs::exists(text, ignored))
                path_in_jail(text, value.origin,
                             "jail.binds-ro = [..] shows it, or its directory, in the jail, read-only");
            return;
        }
        follow(*row, value, node);
    }

    void follow(const Row& row, Value& value, const Node& node) {
        const std::string text = *value.string();
        switch (row.way) {
            case Way::Text:
                // An object may have its text here; a command's would stand in plans and in the state.
                if (place_ == Place::Command)
                    report(DiagnosticKind::BadRef, value.origin,
                           fmt::format("{} takes the text of a secret, and none that stands here", title()),
                           {"write \"@X.secret\", for a [secret.X]"});
                return;
            case Way::Remote:
                return;
            case Way::Getfd:
                report(DiagnosticKind::BadRef, value.origin,
                       fmt::format("{} takes a descriptor of this host, not '{}'", title(), text),
                       {fmt::format("write \"@X\", the name of a [host.X] with kind = \"{}\"",
                                    first_word(row.hosts))});
                return;
            case Way::Socket:
                make_absolute(value);
                // Of a nic, QEMU takes no socket that came as a descriptor.
                if (of_vhost_user_.contains(where_) && !reduced_)
                    use(of_vhost_user_.at(where_), Access::ReadWrite, value);
                else if (jailed_)
                    path_in_jail(text, value.origin,
                                 of_vhost_user_.contains(where_) ? needs_strict : row.advice);
                return;
            case Way::Refused:
                make_absolute(value);
                if (jailed_) path_in_jail(text, value.origin, row.advice);
                return;
            case Way::Firmware:
                if (text.find('/') == std::string::npos && !text.starts_with('~')) return;
                make_absolute(value);
                use(Entrance::Copy, Access::ReadOnly, value);
                return;
            case Way::Copy:
                make_absolute(value);
                use(Entrance::Copy, Access::ReadOnly, value);
                return;
            case Way::Fdset:
                make_absolute(value);
                use(is_always_there(*value.string()) ? Entrance::Keep : Entrance::Fdset, access(row, node),
                    value);
                note_written(row, node);
                return;
        }
    }

    void host_reference(const Row* row, const std::string& id, const Node& node, const Origin& origin) {
        const auto found = hosts_.find(id);
        if (found == hosts_.end()) {
            std::vector<std::string> known;
            for (const auto& [name, resource] : hosts_) known.push_back('@' + name);
            diagnostics_.add({DiagnosticKind::BadRef,
                              origin,
                              fmt::format("{}: there is no [host.{}]", title(), id),
                              did_you_mean('@' + id, known),
                              {}});
            return;
        }
        const Resource* host = found->second;
        const std::string kind = host->driver();
        if (row == nullptr || row->hosts.empty()) {
            report(DiagnosticKind::WrongRefType, origin,
                   fmt::format("{} takes no descriptor of this host", title()),
                   {fmt::format("'@{}' is host.{}, a {}", id, id, kind)});
            return;
        }
        if (!has_word(row->hosts, kind)) {
            report(
                DiagnosticKind::WrongRefType, origin,
                fmt::format("{} takes a {}, but host.{} is a {}", title(), first_word(row->hosts), id, kind),
                {});
            return;
        }
        check_access(*row, *host, node, origin);
        check_count(*host, origin);
        const Entrance entrance = row->way == Way::Fdset  ? Entrance::Fdset
                                  : row->way == Way::Text ? Entrance::Text
                                                          : Entrance::Getfd;
        const Access reach = entrance == Entrance::Text ? Access::ReadOnly : host_access(*host);
        note_written(*row, node);
        uses_.push_back({path_, entrance, reach, {}, id, origin});
    }

    /// QEMU opens /dev/fdset/N for what it will do, and is refused by a descriptor that cannot.
    void check_access(const Row& row, const Resource& host, const Node& node, const Origin& origin) {
        if (host.driver() == "seed" && access(row, node) != Access::ReadOnly)
            report(
                DiagnosticKind::Conflict, origin,
                fmt::format("{} is written, but host.{} is a seed, which is only read", title(), host.id.id),
                {"say read-only = true for the block node"});
        if (host.driver() != "file" || host_access(host) != Access::ReadOnly) return;
        if (access(row, node) == Access::ReadOnly) return;
        std::vector<std::string> notes{
            fmt::format("it is made{}; say access = \"rw\" there",
                        host.origin.known() ? " at " + host.origin.to_string() : " by default")};
        if (row.reach == Reach::ByNode)
            notes.front() += ", or read-only = true for the block node if it is only to be read";
        report(DiagnosticKind::Conflict, origin,
               fmt::format("{} is written, but host.{} is opened read-only", title(), host.id.id),
               std::move(notes));
    }

    /// Only a list takes several descriptors.
    void check_count(const Resource& host, const Origin& origin) {
        if (descriptors_of(host) == 1 || path_.back() == "fds" || path_.back() == "vhostfds") return;
        std::vector<std::string> notes;
        if (place_ == Place::Netdev && (path_.back() == "fd" || path_.back() == "vhostfd"))
            notes.push_back(fmt::format("the member for several is {}s", path_.back()));
        report(DiagnosticKind::Conflict, origin,
               fmt::format("{} takes one descriptor, but host.{} is {}", title(), host.id.id,
                           descriptors_of(host)),
               std::move(notes));
    }

    static Access host_access(const Resource& host) {
        if (host.driver() == "seed") return Access::ReadOnly;
        // What a virtiofsd lets its guest do is no matter of the connection to it.
        if (host.driver() == "process" || host.driver() == "usb") return Access::ReadWrite;
        const Value* access = host.properties.table()->find("access");
        const std::string word = access != nullptr && access->is_string() ? *access->string() : "rw";
        return word == "ro" ? Access::ReadOnly : word == "wo" ? Access::WriteOnly : Access::ReadWrite;
    }

    static Access access(const Row& row, const Node& node) {
        switch (row.reach) {
            case Reach::ReadOnly:
                return Access::ReadOnly;
            case Reach::ReadWrite:
                return Access::ReadWrite;
            case Reach::WriteOnly:
                return Access::WriteOnly;
            case Reach::ByNode:
                return node.read_only ? Access::ReadOnly : Access::ReadWrite;
        }
        return Access::ReadOnly;
    }

    void use(Entrance entrance, Access access, const Value& value) {
        uses_.push_back({path_, entrance, access, *value.string(), {}, value.origin});
    }

    void make_absolute(Value& value) const { value.data = absolute_path(document_, value).string(); }

    void path_in_jail(const std::string& path, const Origin& origin, std::string_view advice) {
        std::vector<std::string> notes;
        if (!advice.empty()) notes.emplace_back(advice);
        notes.emplace_back(
            "jail.mode = \"off\" runs QEMU where host paths exist, without the jail's protection");
        report(DiagnosticKind::PathInJail, origin,
               fmt::format("{}: '{}' is a path of this host, {}", title(), path,
                           reduced_ ? "and the jail keeps these from QEMU" : "and in the jail there is none"),
               std::move(notes));
    }

    void report(DiagnosticKind kind, const Origin& origin, std::string message,
                std::vector<std::string> notes) {
        diagnostics_.add({kind, origin, std::move(message), {}, std::move(notes)});
    }

    static std::string_view first_word(std::string_view words) { return words.substr(0, words.find(' ')); }
    static bool is_always_there(std::string_view path) {
        return std::ranges::find(always_there, path) != always_there.end();
    }
    bool is_bound(const fs::path& path) const {
        return std::ranges::any_of(binds_, [&](const auto& bind) {
            const auto relative = path.lexically_normal().lexically_relative(bind.value.lexically_normal());
            return !relative.empty() && *relative.begin() != "..";
        });
    }
    std::string title() const { return fmt::format("{}.{}", where_, joined(path_)); }

    const bool jailed_;
    const bool reduced_;
    const std::vector<Setting<fs::path>>& binds_;
    std::map<std::string, const Resource*, std::less<>> hosts_;
    std::map<std::string, Entrance> of_vhost_user_;  ///< the chardevs of nics
    const Document& document_;
    Diagnostics& diagnostics_;
    Place place_ = Place::Object;
    std::string where_;
    std::vector<std::string> path_;
    std::vector<HostUse> uses_;
};

/// A descriptor that is passed by name is QEMU's then, and goes to one place.
void report_second_uses(const Vm& vm, Diagnostics& diagnostics) {
    std::map<std::string, std::string> owners;
    const auto look = [&](const std::vector<HostUse>& uses, const std::string& owner) {
        for (const auto& use : uses) {
            if (use.entrance != Entrance::Getfd || use.host.empty()) continue;
            const auto [first, fresh] = owners.try_emplace(use.host, owner);
            if (fresh) continue;
            diagnostics.add({DiagnosticKind::Conflict,
                             use.origin,
                             fmt::format("{} takes host.{}, which {} has", owner, use.host, first->second),
                             {},
                             {"a descriptor goes to one of them: make a second [host.X]"}});
        }
    };
    for (const auto& resource : vm.resources) look(resource.host_uses, resource.id.to_string());
    for (const auto& command : vm.commands) look(command.host_uses, command.made_by);
}

}  // namespace

unsigned descriptors_of(const Resource& host) {
    const Table* table = host.properties.table();
    const std::string kind = host.driver();
    const Value* number = table == nullptr ? nullptr
                                           : table->find(kind == "tap"    ? "queues"
                                                         : kind == "file" ? "count"
                                                                          : "");
    return number == nullptr || number->integer() == nullptr ? 1 : static_cast<unsigned>(*number->integer());
}

void find_host_uses(Vm& vm, const Document& document, Diagnostics& diagnostics) {
    Finder finder(vm, document, diagnostics);
    for (auto& resource : vm.resources) {
        const auto place = place_of(resource.id.kind);
        Table* members = resource.properties.table();
        if (place && members != nullptr)
            resource.host_uses = finder.find(*place, resource.driver(), resource.id.to_string(), *members);
    }
    vm.machine.host_uses = finder.find(Place::Machine, {}, "machine", vm.machine.properties);
    for (auto& command : vm.commands)
        command.host_uses = finder.find(Place::Command, command.execute.value, command.made_by + ".arguments",
                                        command.arguments);
    for (auto& option : vm.options)
        option.host_uses =
            finder.find(Place::Option, option.name, "option." + option.name, option.properties);
    report_second_uses(vm, diagnostics);
}

}  // namespace qvm::config
