// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/host_action.hpp"

#include "config/host_uses.hpp"
#include "config/rules_buses.hpp"
#include "launch/seed.hpp"

namespace qvm::launch {
namespace {

std::string text(const config::Resource& host, std::string_view key) {
    const std::string* said = config::text_at(host, key);
    return said == nullptr ? std::string() : *said;
}

OpenTap tap_of(const config::Resource& host) {
    const auto* mtu = host.properties.table()->find("mtu");
    const auto* bytes = mtu == nullptr ? nullptr : mtu->integer();
    return {text(host, "ifname"),         text(host, "bridge"),
            config::descriptors_of(host), bytes == nullptr ? 0 : static_cast<unsigned>(*bytes),
            text(host, "parent"),         text(host, "mac")};
}

StartProcess process_of(const config::Resource& host) {
    StartProcess process{text(host, "profile"), {}, text(host, "path")};
    const auto* command = host.properties.table()->find("command");
    if (command != nullptr && command->array() != nullptr)
        for (const auto& word : *command->array())
            if (word.string() != nullptr) process.argv.push_back(*word.string());
    process.read_only = text(host, "access") == "ro";
    process.loader = text(host, "loader");
    process.uid_map = config::id_ranges(host.properties.table()->find("uid-map"));
    process.gid_map = config::id_ranges(host.properties.table()->find("gid-map"));
    const auto* libraries = host.properties.table()->find("library-path");
    if (libraries != nullptr && libraries->array() != nullptr)
        for (const auto& directory : *libraries->array())
            if (directory.string() != nullptr) process.library_path.emplace_back(*directory.string());
    return process;
}

OpenFile file_of(const config::Resource& host, config::Access access) {
    const auto said = text(host, "access");
    if (said == "rw") access = config::Access::ReadWrite;
    if (said == "ro") access = config::Access::ReadOnly;
    if (said == "wo") access = config::Access::WriteOnly;
    OpenFile file{text(host, "path"), access, false};
    file.count = config::descriptors_of(host);
    return file;
}

}  // namespace

decltype(HostStep::action) host_action(const config::Resource& host, config::Access access) {
    const auto kind = host.driver();
    if (kind == "tap") return tap_of(host);
    if (kind == "seed") return write_seed(host);
    if (kind == "usb") return OpenUsb{text(host, "device")};
    if (kind == "process") return process_of(host);
    if (kind != "socket") return file_of(host, access);
    if (text(host, "mode") == "connect") return ConnectSocket{text(host, "path")};
    return ListenSocket{text(host, "path"), text(host, "runtime"), text(host, "address")};
}

ReadSecret secret_of(const config::Resource& host) {
    return {text(host, "path"), text(host, "env"), text(host, "credential")};
}

}  // namespace qvm::launch
