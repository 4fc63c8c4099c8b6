// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/probe_cache.hpp"

#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/version.hpp"
#include "launch/state.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

constexpr auto capabilities_part = "capabilities";
constexpr auto properties_part = "properties";

/// FNV-1a, 64 bits: only for the file's name, the whole key is compared.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

/// "PATH device inode size time": changes with every new build or installation.
std::string identity_of(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return fmt::format("{} absent\n", path.string());
    return fmt::format("{} {} {} {} {}.{:09}\n", path.string(), status.st_dev, status.st_ino, status.st_size,
                       status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

/// A module that is installed or removed changes what QEMU can do, and its directory.
std::string key_of(const config::QemuBinary& qemu, const fs::path& binary) {
    std::string key = fmt::format("qvm {}\n", version);
    key += identity_of(binary);
    if (!qemu.loader.empty()) key += identity_of(qemu.loader);
    for (const auto& directory : qemu.library_path) key += identity_of(directory);
    if (!qemu.module_dir.empty()) return key + identity_of(qemu.module_dir);
    const auto prefix = binary.parent_path().parent_path();
    for (const char* usual :
         {"lib/x86_64-linux-gnu/qemu", "lib/aarch64-linux-gnu/qemu", "lib/qemu", "lib64/qemu"})
        key += identity_of(prefix / usual);
    return key;
}

std::optional<std::string> contents_of(const fs::path& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t have = 0;
    while (have < bytes.size()) {
        const auto got = ::read(file.get(), bytes.data() + have, bytes.size() - have);
        if (got <= 0) return std::nullopt;
        have += static_cast<std::size_t>(got);
    }
    return bytes;
}

}  // namespace

ProbeCache::ProbeCache(fs::path directory, const config::QemuBinary& qemu, const fs::path& binary)
    : directory_(std::move(directory)), key_(key_of(qemu, binary)) {}

fs::path ProbeCache::path_of(const char* part) const {
    return directory_ / fmt::format("{:016x}.{}", hash_of(key_), part);
}

std::optional<Json> ProbeCache::read(const char* part) const {
    const auto bytes = contents_of(path_of(part));
    if (!bytes || !bytes->starts_with(key_)) return std::nullopt;
    Json content = Json::from_msgpack(bytes->begin() + static_cast<std::ptrdiff_t>(key_.size()), bytes->end(),
                                      true, false);
    if (!content.is_object()) return std::nullopt;
    return content;
}

void ProbeCache::write(const char* part, const Json& content) const {
    std::string bytes = key_;
    Json::to_msgpack(content, bytes);
    try {
        fs::create_directories(directory_);
        write_atomically(path_of(part), bytes);
    } catch (const std::exception&) {
        // Without a cache everything works, only later.
    }
}

std::optional<qapi::Capabilities> ProbeCache::load() const {
    const auto content = read(capabilities_part);
    if (!content) return std::nullopt;
    try {
        return qapi::Capabilities::from_json(*content);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

void ProbeCache::store(const qapi::Capabilities& capabilities) const {
    Json content = capabilities.to_json();
    content["properties"] = Json::object();
    write(capabilities_part, content);
}

void ProbeCache::load_properties(qapi::Capabilities& capabilities) const {
    const auto content = read(properties_part);
    if (!content) return;
    try {
        for (const auto& [type, rows] : content->items()) {
            std::vector<qapi::Property> list;
            for (const auto& row : rows)
                list.push_back({row.at(0).get<std::string>(), row.at(1).get<std::string>(),
                                row.at(2).get<std::string>()});
            capabilities.properties.try_emplace(type, std::move(list));
        }
    } catch (const Json::exception&) {
        // What has been read so far is right; the rest will be asked again, and the file written anew.
    }
}

void ProbeCache::store_properties(const qapi::Capabilities& capabilities) const {
    Json content = Json::object();
    for (const auto& [type, list] : capabilities.properties) {
        Json& rows = content[type] = Json::array();
        for (const auto& p : list) rows.push_back(Json::array({p.name, p.type, p.description}));
    }
    write(properties_part, content);
}

}  // namespace qvm::launch
