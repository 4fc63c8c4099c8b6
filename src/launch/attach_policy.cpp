// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_policy.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hpp"
#include "launch/attach_table.hpp"

namespace qvm::launch {
namespace {

constexpr std::string_view by_fdset = "pass the file with add-fd and say \"/dev/fdset/N\"";
constexpr std::string_view by_getfd = "pass it with getfd and name it";

/// What reaches the host, and where in the arguments.
struct Finding {
    std::string member;
    std::string what;           ///< "names a path of the host"
    std::string value;          ///< shown, if not empty
    std::string_view way = {};  ///< out, within "operate"
};

/// The number of "/dev/fdset/N", which QEMU also takes with "file:" before it.
std::optional<std::int64_t> fdset_number(std::string_view text) {
    constexpr std::string_view directory = "/dev/fdset/";
    if (text.starts_with("file:")) text.remove_prefix(5);
    if (!text.starts_with(directory)) return std::nullopt;
    text.remove_prefix(directory.size());
    const bool digits =
        !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    std::int64_t number = 0;
    if (!digits || std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc())
        return std::nullopt;
    return number;
}

/// A place in QEMU's object tree. Everything of a VM is below one of these roots.
bool is_qom_path(std::string_view text) {
    constexpr std::array<std::string_view, 5> roots{"/machine", "/objects", "/chardevs", "/audiodevs",
                                                    "/backend"};
    if (text == "/") return true;
    if (text.find("/..") != std::string_view::npos) return false;
    return std::ranges::any_of(roots, [&](std::string_view root) {
        return text.starts_with(root) && (text.size() == root.size() || text[root.size()] == '/');
    });
}

/// A path, or one of the pseudo-protocols that QEMU's block layer, migration and chardevs take for one.
bool looks_like_host(std::string_view text) {
    constexpr std::array<std::string_view, 16> beginnings{
        "./",    "../",   "~/",   "json:",  "file:", "fat:",         "nbd:",      "nbd+unix:",
        "exec:", "unix:", "tcp:", "vsock:", "rdma:", "host_device:", "blkdebug:", "blkverify:"};
    if (text.starts_with('/')) return !is_qom_path(text);
    return std::ranges::any_of(beginnings, [&](auto beginning) { return text.starts_with(beginning); });
}

/// Goes through a command's arguments for the first thing that is the host's.
class Search {
  public:
    Search(std::string_view command, const Json& arguments, const PassedFds& passed)
        : command_(command), passed_(passed) {
        if (command == "qom-set" && arguments.contains("property") && arguments["property"].is_string())
            property_ = arguments["property"].get<std::string>();
    }

    std::optional<Finding> enter(const Json& value, const std::string& path, const std::string& leaf) const {
        if (value.is_object()) {
            for (const auto& [key, member] : value.items()) {
                const std::string inner = path.empty() ? key : fmt::format("{}.{}", path, key);
                // qapi/common.json: String, an element of a list that its member names.
                const bool wrapped = key == "str" && !leaf.empty();
                if (auto finding = enter(member, inner, wrapped ? leaf : leaf_of(path, key))) return finding;
            }
        } else if (value.is_array()) {
            for (std::size_t i = 0; i < value.size(); ++i)
                if (auto finding = enter(value[i], fmt::format("{}[{}]", path, i), leaf)) return finding;
        } else if (value.is_string()) {
            return text(path, leaf, value.get_ref<const std::string&>());
        } else if (value.is_number()) {
            return number(path, leaf, value);
        }
        return std::nullopt;
    }

  private:
    /// Old forms have dots in one key: "file.filename". The value of qom-set is that of its property.
    std::string leaf_of(const std::string& path, const std::string& key) const {
        if (path.empty() && key == "value" && !property_.empty()) return property_;
        return key.substr(key.rfind('.') + 1);
    }

    std::optional<Finding> text(const std::string& path, const std::string& leaf,
                                const std::string& value) const {
        if (const Meaning* chosen = meaning_of_choice(command_, leaf, value))
            return found(*chosen, path, value);
        const Meaning* row = meaning_of(command_, leaf);
        const Meaning meaning = row == nullptr ? Meaning::Name : *row;
        switch (meaning) {
            case Meaning::Text:
            case Meaning::Fd:  // looked at with the names
                return std::nullopt;
            case Meaning::Name:
                return looks_like_host(value) ? path_of_host(path, value) : std::nullopt;
            case Meaning::PathUnlessQom:
                return is_qom_path(value) ? std::nullopt : path_of_host(path, value);
            case Meaning::Firmware:
                return value.find_first_of("/:") == std::string::npos ? std::nullopt
                                                                      : path_of_host(path, value);
            case Meaning::Path:
                return path_of_host(path, value);
            case Meaning::Uri:
                if (value.starts_with("fd:")) return std::nullopt;
                return fdset_number(value) ? path_of_host(path, value) : found(meaning, path, value);
            case Meaning::Program:
                // netdev_add tap: no script.
                if (value == "no") return std::nullopt;
                [[fallthrough]];
            case Meaning::ImagePath:
            case Meaning::Network:
            case Meaning::Monitor:
            case Meaning::HostDevice:
                return value.empty() ? std::nullopt : found(meaning, path, value);
        }
        return std::nullopt;
    }

    std::optional<Finding> number(const std::string& path, const std::string& leaf, const Json& value) const {
        const Meaning* row = meaning_of(command_, leaf);
        const bool reaches = row != nullptr && (*row == Meaning::Network || *row == Meaning::HostDevice);
        return reaches ? found(*row, path, value.dump()) : std::nullopt;
    }

    std::optional<Finding> path_of_host(const std::string& path, const std::string& value) const {
        if (value.empty()) return std::nullopt;
        const auto set = fdset_number(value);
        if (!set) return found(Meaning::Path, path, value);
        if (passed_.sets.contains(*set)) return std::nullopt;
        return Finding{path, "names a descriptor set that this client did not make", value, by_fdset};
    }

    static std::optional<Finding> found(Meaning meaning, const std::string& path, const std::string& value) {
        switch (meaning) {
            case Meaning::ImagePath:
                return Finding{path, "writes a path into an image, which whoever opens it next follows",
                               value};
            case Meaning::Uri:
                return Finding{path, "goes out of the VM", value, by_getfd};
            case Meaning::Program:
                return Finding{path, "starts a program on the host", value};
            case Meaning::Network:
                return Finding{path, "reaches the host's network", value, by_getfd};
            case Meaning::Monitor:
                return Finding{path, "opens a monitor that nothing guards", value};
            case Meaning::HostDevice:
                return Finding{path, "reaches a device or service of the host", value};
            case Meaning::Path:
            case Meaning::PathUnlessQom:
            case Meaning::Firmware:
            case Meaning::Fd:
            case Meaning::Name:
            case Meaning::Text:
                break;
        }
        return Finding{path, "names a path of the host", value, by_fdset};
    }

    std::string_view command_;
    const PassedFds& passed_;
    std::string property_;
};

bool says(const Json& arguments, const char* member, std::string_view word) {
    const auto found = arguments.find(member);
    return found != arguments.end() && found->is_string() && found->get_ref<const std::string&>() == word;
}

/// What reaches the host by what is not said.
std::optional<Finding> default_of(std::string_view command, const Json& arguments) {
    const auto lacks = [&](const char* member) { return !arguments.contains(member); };
    if (command == "netdev_add" && says(arguments, "type", "tap") && lacks("fd") && lacks("fds"))
        return Finding{"fd", "is missing, so that QEMU makes a tap and starts /etc/qemu-ifup", {}, by_getfd};
    const auto vhost = arguments.find("vhost");
    if (command == "netdev_add" && vhost != arguments.end() && *vhost == true && lacks("vhostfd") &&
        lacks("vhostfds"))
        return Finding{"vhostfd", "is missing, so that QEMU opens /dev/vhost-net", {}, by_getfd};
    const auto driver = arguments.value("driver", Json());
    if (command == "device_add" && driver.is_string() && lacks("vhostfd") &&
        driver.get_ref<const std::string&>().starts_with("vhost-vsock"))
        return Finding{"vhostfd", "is missing, so that QEMU opens /dev/vhost-vsock", {}, by_getfd};
    if (command == "object-add" && says(arguments, "qom-type", "iommufd") && lacks("fd"))
        return Finding{"fd", "is missing, so that QEMU opens /dev/iommu", {}, by_getfd};
    return std::nullopt;
}

std::optional<Finding> foreign_fd(std::string_view command, const Json& arguments, const PassedFds& passed) {
    if (command == "getfd") return std::nullopt;
    std::optional<Finding> finding;
    Json copy = arguments;
    rename_fds(command, copy, [&](const std::string& name) {
        if (!passed.names.contains(name) && !finding)
            finding = Finding{"", "names a descriptor that this client did not pass", name, by_getfd};
        return name;
    });
    return finding;
}

std::optional<Finding> foreign_set(std::string_view command, const Json& arguments, const PassedFds& passed) {
    const auto said = arguments.find("fdset-id");
    if (said == arguments.end() || !said->is_number_integer()) return std::nullopt;
    const auto number = said->get<std::int64_t>();
    if (passed.sets.contains(number)) return std::nullopt;
    const bool is_free = number >= first_client_fdset && !passed.foreign_sets.contains(number);
    if (command == "add-fd" && !is_free)
        return Finding{"fdset-id", "is not for this client to choose", said->dump(),
                       "leave it out, or take a free number from 100000 on"};
    if (command == "remove-fd")
        return Finding{"fdset-id", "names a descriptor set that this client did not make", said->dump()};
    return std::nullopt;
}

/// HMP ends a command's name at white space and at '/' (x/10i).
std::optional<Finding> monitor_finding(const Json& arguments) {
    const auto line = arguments.value("command-line", Json());
    if (!line.is_string()) return std::nullopt;  // QEMU says what is wrong
    std::string_view text = line.get_ref<const std::string&>();
    const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    const auto end = std::ranges::find_if(text, [&](char c) { return is_space(c) || c == '/'; });
    const std::string word(text.begin(), end);
    if (word.empty() || is_monitor_question(word)) return std::nullopt;
    return Finding{"command-line", "is more than a question to the human monitor", word,
                   "give the QMP command that does the same"};
}

std::optional<Finding> find(std::string_view command, const Json& arguments, const PassedFds& passed) {
    if (command == "human-monitor-command") return monitor_finding(arguments);
    if (auto finding = Search(command, arguments, passed).enter(arguments, "", "")) return finding;
    if (auto finding = default_of(command, arguments)) return finding;
    if (auto finding = foreign_set(command, arguments, passed)) return finding;
    return foreign_fd(command, arguments, passed);
}

/// QEMU hands out the text of a secret as it does any other property, whoever asks.
std::optional<Finding> asks_for_secret(std::string_view command, const Json& arguments) {
    const std::string what = "may be the text of a secret";
    if (command == "qom-get" && says(arguments, "property", "data")) return Finding{"property", what, "data"};
    const auto paths = arguments.find("paths");
    if (command == "qom-list-get" && paths != arguments.end() && paths->is_array())
        for (const auto& path : *paths)
            if (path.is_string() && !path.get_ref<const std::string&>().starts_with("/machine"))
                return Finding{"paths", what, path.get<std::string>(), "ask for what is below /machine"};
    const auto line = arguments.value("command-line", Json());
    if (command == "human-monitor-command" && line.is_string() &&
        line.get_ref<const std::string&>().find("qom-get") != std::string::npos &&
        line.get_ref<const std::string&>().find("data") != std::string::npos)
        return Finding{"command-line", what, line.get<std::string>()};
    return std::nullopt;
}

/// Each action of a transaction is a command, whose rows of the table count.
std::optional<Finding> find_in_actions(const Json& arguments, const PassedFds& passed) {
    const auto actions = arguments.find("actions");
    if (actions == arguments.end() || !actions->is_array()) return std::nullopt;
    for (std::size_t i = 0; i < actions->size(); ++i) {
        const Json& action = (*actions)[i];
        if (!action.is_object()) continue;
        const auto type = action.value("type", Json());
        const auto data = action.value("data", Json());
        if (!type.is_string() || !data.is_object()) continue;
        auto finding = find(type.get_ref<const std::string&>(), data, passed);
        if (!finding) continue;
        finding->member = fmt::format("actions[{}].data.{}", i, finding->member);
        return finding;
    }
    return std::nullopt;
}

std::string sentence(std::string_view command, const Finding& finding, config::AttachAllow allow) {
    constexpr std::size_t longest = 80;
    std::string text = std::string(command) + ": ";
    text += finding.member.empty() ? "it" : fmt::format("'{}'", escape_controls(finding.member));
    text += ' ' + finding.what;
    if (!finding.value.empty()) {
        const bool cut = finding.value.size() > longest;
        text += fmt::format(" ({}{})", escape_controls(finding.value.substr(0, longest)), cut ? "..." : "");
    }
    text += fmt::format(", which attach.allow = \"{}\" keeps clients from; ", config::word_of(allow));
    if (!finding.way.empty()) text += fmt::format("{}, or ", finding.way);
    return text + "say attach.allow = \"all\" in the VM's file, and apply it";
}

}  // namespace

std::optional<std::string> refusal(std::string_view command, const Json& arguments, config::AttachAllow allow,
                                   const PassedFds& passed) {
    if (allow == config::AttachAllow::All) return std::nullopt;
    if (const auto secret = asks_for_secret(command, arguments)) return sentence(command, *secret, allow);
    if (is_question(command)) return std::nullopt;
    if (allow == config::AttachAllow::Observe)
        return fmt::format(
            "{}: it is no question, and attach.allow = \"observe\" lets clients only ask; say attach.allow = "
            "\"operate\" in the VM's file, and apply it",
            command);
    auto finding = find(command, arguments, passed);
    if (!finding && command == "transaction") finding = find_in_actions(arguments, passed);
    if (!finding) return std::nullopt;
    return sentence(command, *finding, allow);
}

}  // namespace qvm::launch
