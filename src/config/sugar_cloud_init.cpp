// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_cloud_init.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/stable.hpp"

namespace qvm::config {
namespace {

constexpr const char* seed_id = "cloud-init";

/// Labels of letters, digits and '-', with dots between them (hostname(7)).
bool is_host_name(std::string_view name) {
    constexpr std::size_t longest = 253;
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.';
    };
    return !name.empty() && name.size() <= longest && std::ranges::all_of(name, fits) &&
           name.front() != '-' && name.front() != '.' && name.find("..") == std::string_view::npos;
}

/// useradd(8), as Debian has it.
bool is_user_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, fits) &&
           (name.front() < '0' || name.front() > '9') && name.front() != '-';
}

/// A key has blanks in it, as "ssh-ed25519 AAAAC3.. me@home".
bool is_key_text(std::string_view said) {
    return said.find(' ') != std::string_view::npos &&
           (said.starts_with("ssh-") || said.starts_with("ecdsa-") || said.starts_with("sk-"));
}

}  // namespace

void check_seed(Lowering& lowering, const Item& seed) {
    const auto hostname = seed.text("hostname");
    if (hostname && !is_host_name(*hostname))
        lowering.report(DiagnosticKind::BadValue, seed.origin_of("hostname"),
                        fmt::format("'{}' cannot be the name of a host", *hostname),
                        {"letters, digits, '-' and '.'"});
    const auto user = seed.text("user");
    if (user && !is_user_name(*user))
        lowering.report(DiagnosticKind::BadValue, seed.origin_of("user"),
                        fmt::format("'{}' cannot be the name of a user", *user),
                        {"up to 32 small letters, digits, '_' and '-', a letter or '_' first"});
    if (seed.says("user-data") && seed.says("user-data-text"))
        lowering.report(DiagnosticKind::Conflict, seed.origin_of("user-data-text"),
                        fmt::format("{} says both user-data and user-data-text", seed.where),
                        {"user-data = \"PATH\" is a file, user-data-text is the text itself: leave one out"});
}

Table seed_properties(const Lowering& lowering, const Item& seed) {
    Table table = *seed.table;
    table.erase("enabled");
    for (const char* key : {"user-data", "network-config"})
        if (Value* path = table.find(key); path != nullptr && path->is_string())
            path->data = lowering.absolute(*path).string();
    Value* keys = table.find("ssh-keys");
    if (keys != nullptr && keys->array() != nullptr)
        for (auto& key : *keys->array())
            if (key.string() != nullptr && !is_key_text(*key.string()))
                key.data = lowering.absolute(key).string();
    return table;
}

void lower_cloud_init(Lowering& lowering) {
    const auto item = lowering.single(seed_id);
    if (!item) return;
    check_seed(lowering, *item);
    const std::string& name = lowering.vm().name.value;
    Members host(item->origin);
    host.put("kind", std::string("seed"));
    if (!item->says("instance-id"))
        host.put("instance-id", lowering.vm().uuid ? lowering.vm().uuid->value : stable_uuid(name));
    if (!item->says("hostname")) host.put("hostname", name);
    merge(host.table(), seed_properties(lowering, *item));
    lowering.add(Kind::Host, seed_id, std::move(host), *item);

    Members file(item->origin);
    file.put("driver", std::string("file")).put("filename", '@' + std::string(seed_id));
    Members node(item->origin);
    node.put("driver", std::string("raw")).put("read-only", true).put("file", std::move(file.table()));
    lowering.add(Kind::Blockdev, seed_id, std::move(node), *item);

    Members device(item->origin);
    device.put("driver", lowering.virtio("blk")).put("drive", std::string(seed_id));
    lowering.add(Kind::Device, seed_id, std::move(device), *item);
}

}  // namespace qvm::config
