// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_share.hpp"

#include <array>

#include <fmt/format.h>

#include "config/id_map.hpp"

namespace qvm::config {
namespace {

constexpr std::size_t longest_tag = 36;  // virtio-fs: struct virtio_fs_config

/// virtiofsd(1). Without a map there is one user and one group in its jail, 1000: what the guest's users make
/// is theirs. With one the jail has the guest's ids.
void lower_process(Lowering& lowering, const Item& share, const std::string& id) {
    const Table* said = share.inner("virtiofsd");
    const Value* binary = said == nullptr ? nullptr : said->find("binary");
    const bool named = binary != nullptr && binary->string() != nullptr;
    Array command;
    command.emplace_back(Value::Data(named ? lowering.absolute(*binary).string() : std::string("virtiofsd")),
                         named ? binary->origin : share.origin);
    const auto add_words = [&](std::initializer_list<const char*> words) {
        for (const auto* word : words) command.emplace_back(Value::Data(std::string(word)), share.origin);
    };
    add_words({"--fd={fd}", "--shared-dir={path}", "--sandbox=none", "--inode-file-handles=never",
               "--rlimit-nofile=0"});
    // As root of its namespace it would ask for more than the jail leaves it.
    if (share.says("uid-map"))
        add_words({"--modcaps=-mknod:-setfcap"});
    else
        add_words({"--translate-uid", "squash-guest:0:1000:4294967295", "--translate-gid",
                   "squash-guest:0:1000:4294967295"});
    Members process(share.origin);
    process.put("kind", std::string("process")).put("profile", std::string("virtiofsd"));
    process.put("command", std::move(command));
    if (const Value* path = share.value("path"))
        process.put("path", lowering.absolute(*path).string(), path->origin);
    process.copy("uid-map", *share.table, "uid-map");
    process.copy("gid-map", *share.table, share.says("gid-map") ? "gid-map" : "uid-map");
    if (share.flag("read-only").value_or(false))
        process.put("access", std::string("ro"), share.origin_of("read-only"));
    if (const Value* loader = said == nullptr ? nullptr : said->find("loader"); loader != nullptr)
        process.put("loader", lowering.absolute(*loader).string(), loader->origin);
    if (const Value* libraries = said == nullptr ? nullptr : said->find("library-path"))
        process.put("library-path", lowering.absolute_all(*libraries), libraries->origin);
    lowering.add(Kind::Host, id, std::move(process), share);
}

void check_tag(Lowering& lowering, const Item& share) {
    const auto tag = share.text("tag");
    if (!tag || (!tag->empty() && tag->size() <= longest_tag)) return;
    lowering.report(DiagnosticKind::BadValue, share.origin_of("tag"),
                    fmt::format("'{}' cannot be the tag of a share", *tag),
                    {fmt::format("it has 1 to {} bytes", longest_tag)});
}

}  // namespace

void lower_shares(Lowering& lowering) {
    for (const auto& share : lowering.named("share")) {
        if (!share.says("path"))
            lowering.report(DiagnosticKind::Missing, share.origin, fmt::format("{} has no path", share.where),
                            {"say which directory of this host the guest gets: path = \"/srv/data\""});
        check_tag(lowering, share);
        check_id_maps(lowering, share);
        const JailMode mode = lowering.vm().jail_mode.value;
        if (mode == JailMode::Reduced)
            lowering.report(DiagnosticKind::Conflict, share.origin,
                            fmt::format("{} is served by virtiofsd, which has no reduced jail", share.where),
                            {"its filter has to let it make, rename and remove files, which only a root of "
                             "its own confines to the share",
                             "say jail.mode = \"strict\""});
        const std::string process = share.id + ".virtiofsd";
        lower_process(lowering, share, process);
        const std::string chardev = share.id + ".socket";
        lowering.add_connection(chardev, process, share);
        Members device(share.origin);
        device.put("driver",
                   std::string(lowering.is_microvm() ? "vhost-user-fs-device" : "vhost-user-fs-pci"));
        device.put("chardev", chardev);
        device.put("tag", share.text("tag").value_or(share.id), share.origin_of("tag"));
        lowering.add(Kind::Device, share.id, std::move(device), share, "device");
    }
}

void check_virtiofsd(Lowering& lowering, const Item& host) {
    const bool is = host.text("profile") == "virtiofsd";
    if (is && !host.says("path"))
        lowering.report(DiagnosticKind::Missing, host.origin, fmt::format("{} has no path", host.where),
                        {"it is the directory that the guest gets"});
    check_id_maps(lowering, host);
    for (const char* key : {"access", "loader", "library-path", "uid-map", "gid-map"})
        if (!is && host.says(key))
            lowering.report(DiagnosticKind::Conflict, host.origin_of(key),
                            fmt::format("{}.{} is of a virtiofsd", host.where, key));
    if (host.text("access") == "wo")
        lowering.report(DiagnosticKind::BadValue, host.origin_of("access"),
                        fmt::format("{}: a directory is served for reading, or for both", host.where),
                        {"say \"ro\" or \"rw\""});
}

}  // namespace qvm::config
