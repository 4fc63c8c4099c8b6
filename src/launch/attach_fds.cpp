// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_fds.hpp"

#include <fmt/format.h>

#include "launch/attach_table.hpp"

namespace qvm::launch {
namespace {

using Rename = std::function<std::string(const std::string&)>;

/// QEMU takes what begins with a digit for a number of its own.
bool is_number(const std::string& name) {
    return !name.empty() && name[0] >= '0' && name[0] <= '9';
}

std::string name_in_qemu(std::uint64_t client, const std::string& name) {
    return fmt::format("client{}-{}", client, name);
}

/// "a:b", as netdev_add's fds.
std::string each_of(const std::string& list, const Rename& rename) {
    std::string result;
    for (std::size_t at = 0; at <= list.size();) {
        const auto end = std::min(list.find(':', at), list.size());
        result += (at == 0 ? "" : ":") + rename(list.substr(at, end - at));
        at = end + 1;
    }
    return result;
}

class Renamer {
  public:
    Renamer(std::string_view command, const Rename& rename) : command_(command), rename_(rename) {}

    void enter(Json& value, bool fd_address) {
        if (value.is_array())
            for (auto& item : value) enter(item, fd_address);
        if (!value.is_object()) return;
        // qapi/sockets.json: SocketAddress has its members beside `type`, SocketAddressLegacy in `data`.
        const auto type = value.find("type");
        const bool here = type != value.end() ? *type == "fd" : fd_address;
        for (auto& [key, member] : value.items()) {
            if (member.is_structured())
                enter(member, here && key == "data");
            else
                leaf(key, member, here);
        }
    }

  private:
    void leaf(const std::string& key, Json& member, bool fd_address) {
        const Meaning* meaning = meaning_of(command_, key);
        const bool is_fd = (fd_address && key == "str") || (meaning != nullptr && *meaning == Meaning::Fd);
        if (is_fd && member.is_number_integer()) rename_(member.dump());
        if (!member.is_string()) return;
        const auto& text = member.get_ref<const std::string&>();
        if (is_fd)
            member = each_of(text, rename_);
        else if (meaning != nullptr && *meaning == Meaning::Uri && text.starts_with("fd:"))
            member = "fd:" + rename_(text.substr(3));
    }

    std::string_view command_;
    const Rename& rename_;
};

std::int64_t number_in(const Json& object, const char* member) {
    const auto found = object.find(member);
    return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

std::string name_in(const Json& arguments) {
    const auto found = arguments.find("fdname");
    return found != arguments.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

void rename_fds(std::string_view command, Json& arguments, const Rename& rename) {
    Renamer(command, rename).enter(arguments, false);
}

PassedFds AttachFds::passed_by(std::uint64_t client) const {
    PassedFds passed;
    for (const auto& [number, owned] : owned_) {
        if (number == client) {
            passed.names = owned.names;
            passed.sets = owned.sets;
        } else {
            passed.foreign_sets.insert(owned.sets.begin(), owned.sets.end());
        }
    }
    return passed;
}

Json AttachFds::to_qemu(std::uint64_t client, std::string_view command, Json arguments) {
    const bool takes_fd = command == "getfd" || command == "add-fd";
    if (takes_fd) owned_.try_emplace(client);
    // By what it is for, qvm knows its own.
    if (const auto opaque = arguments.find("opaque");
        command == "add-fd" && opaque != arguments.end() && opaque->is_string())
        *opaque = fmt::format("client {}: {}", client, opaque->get<std::string>());
    const auto owned = owned_.find(client);
    if (owned == owned_.end()) return arguments;
    rename_fds(command, arguments, [&](const std::string& name) {
        const bool ours = owned->second.names.contains(name) || command == "getfd";
        return ours && !is_number(name) ? name_in_qemu(client, name) : name;
    });
    return arguments;
}

AttachFds::Leftovers AttachFds::note(std::uint64_t client, std::string_view command, const Json& arguments,
                                     const Json& reply) {
    Owned change;
    if (command == "getfd") change.names.insert(name_in(arguments));
    if (command == "add-fd") change.sets.insert(number_in(reply, "fdset-id"));
    const auto found = owned_.find(client);
    if (found == owned_.end()) return left_over(client, change);
    Owned& owned = found->second;
    owned.names.merge(change.names);
    for (const auto set : change.sets) {
        // QEMU gives a number out again once its set has no descriptor left.
        for (auto& [number, others] : owned_) others.sets.erase(set);
        owned.sets.insert(set);
    }
    if (command == "closefd") owned.names.erase(name_in(arguments));
    if (command == "remove-fd" && !arguments.contains("fd"))
        owned.sets.erase(number_in(arguments, "fdset-id"));
    return {};
}

AttachFds::Leftovers AttachFds::gone(std::uint64_t client) {
    const auto found = owned_.find(client);
    if (found == owned_.end()) return {};
    Leftovers left = left_over(client, found->second);
    owned_.erase(found);
    return left;
}

AttachFds::Leftovers AttachFds::left_over(std::uint64_t client, const Owned& owned) {
    Leftovers left;
    for (const auto& name : owned.names) left.names.push_back(name_in_qemu(client, name));
    left.sets.assign(owned.sets.begin(), owned.sets.end());
    return left;
}

}  // namespace qvm::launch
