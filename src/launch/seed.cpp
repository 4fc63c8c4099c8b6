// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/seed.hpp"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "config/rules_buses.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

std::string read_part(const fs::path& path, std::string_view what) {
    auto content = read_file(path);
    if (!content)
        throw SystemError(fmt::format("read {} '{}'", what, path.string()), content.error, {},
                          ExitCode::HostCannot);
    return std::move(content.bytes);
}

/// The lines that are keys.
std::vector<std::string> keys_in(std::string_view text) {
    std::vector<std::string> keys;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
        if (!line.empty() && !line.starts_with('#')) keys.emplace_back(line);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return keys;
}

/// JSON is YAML, of which cloud-init makes its configuration.
std::string cloud_config(const WriteSeed& seed) {
    Json config = Json::object();
    if (!seed.user.empty()) config["user"] = seed.user;
    Json keys = Json::array();
    for (const auto& said : seed.ssh_keys) {
        const auto text = said.starts_with('/') ? read_part(said, "the public key") : said;
        if (const auto why = why_no_public_key(text); !why.empty())
            throw Error(ExitCode::HostCannot, fmt::format("'{}' {}", said, why));
        for (auto& key : keys_in(text)) keys.push_back(std::move(key));
    }
    if (!keys.empty()) config["ssh_authorized_keys"] = std::move(keys);
    return config.empty()
               ? std::string()
               : "#cloud-config\n" + config.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

struct CloseArchive {
    void operator()(archive* image) const { ::archive_write_free(image); }
    void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

void expect(int result, archive* image) {
    if (result != ARCHIVE_OK)
        throw Error(ExitCode::HostCannot,
                    fmt::format("cannot make the seed of cloud-init: {}", ::archive_error_string(image)));
}

}  // namespace

WriteSeed write_seed(const config::Resource& host) {
    WriteSeed seed;
    const auto text = [&](std::string_view key) {
        const std::string* said = config::text_at(host, key);
        return said == nullptr ? std::string() : *said;
    };
    seed.user = text("user");
    seed.hostname = text("hostname");
    seed.instance_id = text("instance-id");
    seed.user_data = text("user-data");
    seed.user_data_text = text("user-data-text");
    seed.network_config = text("network-config");
    const config::Value* keys = host.properties.table()->find("ssh-keys");
    if (keys != nullptr && keys->array() != nullptr)
        for (const auto& key : *keys->array())
            if (key.string() != nullptr) seed.ssh_keys.push_back(*key.string());
    return seed;
}

std::string why_no_public_key(std::string_view text) {
    if (text.find("PRIVATE KEY-----") != std::string_view::npos)
        return "is a private key, which no guest may have: name the file beside it that ends in .pub";
    constexpr std::array<std::string_view, 4> kinds{"ssh-", "ecdsa-", "sk-", "cert-"};
    const auto keys = keys_in(text);
    const auto is_key = [&](std::string_view line) {
        return std::ranges::any_of(kinds,
                                   [&](auto kind) { return line.find(kind) != std::string_view::npos; });
    };
    return !keys.empty() && std::ranges::all_of(keys, is_key) ? "" : "is no public key of SSH";
}

bool has_user_data_header(std::string_view text) {
    // cloudinit/handlers/__init__.py: INCLUSION_TYPES_MAP; a MIME message, or compressed.
    constexpr std::array<std::string_view, 9> headers{
        "#cloud-config", "#!",           "#include",      "#cloud-boothook",
        "#part-handler", "## template:", "Content-Type:", "MIME-Version:",
        "\x1f\x8b"};
    return std::ranges::any_of(headers, [&](auto header) { return text.starts_with(header); });
}

std::map<std::string, std::string> seed_files(const WriteSeed& seed) {
    std::map<std::string, std::string> files;
    Json meta = Json::object({{"instance-id", seed.instance_id}});
    if (!seed.hostname.empty()) meta["local-hostname"] = seed.hostname;
    files["meta-data"] = meta.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
    const auto generated = cloud_config(seed);
    std::string own = seed.user_data_text;
    if (!seed.user_data.empty()) own = read_part(seed.user_data, "the user-data");
    files["user-data"] = own.empty() ? (generated.empty() ? "#cloud-config\n{}\n" : generated) : own;
    if (!own.empty() && !generated.empty()) files["vendor-data"] = generated;
    if (!seed.network_config.empty())
        files["network-config"] = read_part(seed.network_config, "the network-config");
    return files;
}

Fd make_seed_image(const std::map<std::string, std::string>& files) {
    Fd memory(::memfd_create("cloud-init", MFD_CLOEXEC));
    if (!memory) throw SystemError("make a file in memory", errno);
    const std::unique_ptr<archive, CloseArchive> image(::archive_write_new());
    expect(::archive_write_set_format_iso9660(image.get()), image.get());
    // Rock Ridge keeps the names as they are: they have neither a suffix nor only capitals.
    expect(::archive_write_set_options(image.get(),
                                       "iso9660:volume-id=CIDATA,iso9660:rockridge=useful,"
                                       "iso9660:joliet,iso9660:!zisofs"),
           image.get());
    expect(::archive_write_open_fd(image.get(), memory.get()), image.get());
    for (const auto& [name, content] : files) {
        const std::unique_ptr<archive_entry, CloseArchive> entry(::archive_entry_new());
        ::archive_entry_set_pathname(entry.get(), name.c_str());
        ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
        ::archive_entry_set_filetype(entry.get(), AE_IFREG);
        ::archive_entry_set_perm(entry.get(), 0444);
        ::archive_entry_set_mtime(entry.get(), 0, 0);
        expect(::archive_write_header(image.get(), entry.get()), image.get());
        if (::archive_write_data(image.get(), content.data(), content.size()) < 0)
            expect(ARCHIVE_FATAL, image.get());
    }
    expect(::archive_write_close(image.get()), image.get());
    // Opened anew: QEMU takes a descriptor for reading only.
    Fd reading(::open(fmt::format("/proc/self/fd/{}", memory.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!reading) throw SystemError("open a file in memory", errno);
    return reading;
}

}  // namespace qvm::launch
