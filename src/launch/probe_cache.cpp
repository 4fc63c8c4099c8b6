// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/probe_cache.hpp"

#include <algorithm>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/version.hpp"
#include "launch/state.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

constexpr auto capabilities_part = "capabilities";
constexpr auto properties_part = "properties";
constexpr auto schema_part = "schema";

/// Raised whenever the form of one of them changes.
constexpr int saved_form = 5;

/// "PATH device inode size time": changes with every new build or installation.
std::string identity_of(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return fmt::format("{} absent\n", path.string());
    return fmt::format("{} {} {} {} {}.{:09}\n", path.string(), status.st_dev, status.st_ino, status.st_size,
                       status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

/// A module that is installed or removed changes what QEMU can do, and its directory.
std::string key_of(const config::QemuBinary& qemu, const fs::path& binary) {
    std::string key = fmt::format("qvm {} form {}\n", version, saved_form);
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

/// Takes the next field of a text, up to `end`, off it; nothing if there is no `end`.
std::optional<std::string_view> take(std::string_view& text, char end) {
    const auto at = text.find(end);
    if (at == std::string_view::npos) return std::nullopt;
    const auto field = text.substr(0, at);
    text.remove_prefix(at + 1);
    return field;
}

// QOM's names have neither tabs nor line ends, and there are a thousand of them: as lines they are read ten
// times faster than as JSON.

std::string type_lines(const qapi::Capabilities& c) {
    std::string text;
    const auto flag = [](const std::vector<std::string>& types, const std::string& type, char letter) {
        return std::ranges::binary_search(types, type) ? std::string(1, letter) : std::string();
    };
    for (const auto& [type, parent] : c.parents)
        text += fmt::format("{}\t{}\t{}{}\n", type, parent, flag(c.device_types, type, 'd'),
                            flag(c.object_types, type, 'o'));
    return text + '\n';
}

bool read_type_lines(std::string_view& text, qapi::Capabilities& c) {
    for (;;) {
        auto line = take(text, '\n');
        if (!line) return false;
        if (line->empty()) return true;
        const auto type = take(*line, '\t');
        const auto parent = take(*line, '\t');
        if (!type || !parent) return false;
        c.parents.emplace_hint(c.parents.end(), *type, *parent);
        if (line->find('d') != std::string_view::npos) c.device_types.emplace_back(*type);
        if (line->find('o') != std::string_view::npos) c.object_types.emplace_back(*type);
    }
}

Json rest_of(const qapi::Capabilities& c) {
    Json json = Json::object();
    json["binary"] = c.binary;
    json["version"] = Json::array({c.version.major, c.version.minor, c.version.micro});
    json["package"] = c.package;
    json["arch"] = c.arch;
    Json& machines = json["machines"] = Json::array();
    for (const auto& m : c.machines)
        machines.push_back(
            Json::array({m.name, m.alias, m.cpu_max, m.hotpluggable_cpus, m.deprecated, m.default_ram_id}));
    Json& models = json["cpu-models"] = Json::array();
    for (const auto& m : c.cpu_models) models.push_back(Json::array({m.name, m.type, m.deprecated}));
    Json& options = json["options"] = Json::object();
    for (const auto& [group, parameters] : c.options) {
        Json& rows = options[group] = Json::array();
        for (const auto& p : parameters) rows.push_back(Json::array({p.name, p.type}));
    }
    return json;
}

void read_rest(const Json& json, qapi::Capabilities& c) {
    c.binary = json.at("binary").get<std::string>();
    const Json& numbers = json.at("version");
    c.version = {numbers.at(0).get<int>(), numbers.at(1).get<int>(), numbers.at(2).get<int>()};
    c.package = json.at("package").get<std::string>();
    c.arch = json.at("arch").get<std::string>();
    for (const auto& m : json.at("machines"))
        c.machines.push_back({m.at(0).get<std::string>(), m.at(1).get<std::string>(), m.at(2).get<unsigned>(),
                              m.at(3).get<bool>(), m.at(4).get<bool>(), m.at(5).get<std::string>()});
    for (const auto& m : json.at("cpu-models"))
        c.cpu_models.push_back({m.at(0).get<std::string>(), m.at(1).get<std::string>(), m.at(2).get<bool>()});
    for (const auto& [group, rows] : json.at("options").items()) {
        auto& parameters = c.options[group];
        for (const auto& p : rows)
            parameters.push_back({p.at(0).get<std::string>(), p.at(1).get<std::string>()});
    }
}

std::string text_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ProbeCache::ProbeCache(fs::path directory, const config::QemuBinary& qemu, const fs::path& binary)
    : directory_(std::move(directory)), key_(key_of(qemu, binary)) {}

fs::path ProbeCache::path_of(const char* part) const {
    return directory_ / fmt::format("{:016x}.{}", stable_hash(key_), part);
}

std::optional<std::string> ProbeCache::read(const char* part) const {
    auto bytes = contents_of(path_of(part));
    if (!bytes || !bytes->starts_with(key_)) return std::nullopt;
    bytes->erase(0, key_.size());
    return bytes;
}

void ProbeCache::write(const char* part, const std::string& content) const {
    try {
        fs::create_directories(directory_);
        write_atomically(path_of(part), key_ + content, Survives::Us);
    } catch (const std::exception&) {
        // Without a cache everything works, only later.
    }
}

std::optional<qapi::Capabilities> ProbeCache::load() const {
    const auto content = read(capabilities_part);
    if (!content) return std::nullopt;
    std::string_view text = *content;
    qapi::Capabilities c;
    if (!read_type_lines(text, c)) return std::nullopt;
    auto schema = qapi::Schema::restore(text);
    if (!schema) return std::nullopt;
    c.schema = std::move(*schema);
    try {
        read_rest(Json::parse(text), c);
    } catch (const std::exception&) {
        return std::nullopt;
    }
    return c;
}

void ProbeCache::store(const qapi::Capabilities& capabilities) const {
    write(capabilities_part,
          type_lines(capabilities) + capabilities.schema.save() + text_of(rest_of(capabilities)));
}

void ProbeCache::load_properties(qapi::Capabilities& capabilities,
                                 const std::vector<std::string>& types) const {
    const auto content = read(properties_part);
    if (!content) return;
    std::string_view text = *content;
    while (auto line = take(text, '\n')) {
        const auto type = take(*line, '\t');
        if (!type || std::ranges::find(types, *type) == types.end()) continue;
        try {
            std::vector<qapi::Property> list;
            for (const auto& row : Json::parse(*line))
                list.push_back({row.at(0).get<std::string>(), row.at(1).get<std::string>(),
                                row.at(2).get<std::string>(), row.at(3).get<std::string>()});
            capabilities.properties.insert_or_assign(std::string(*type), std::move(list));
        } catch (const Json::exception&) {
            continue;  // damaged: asked again
        }
    }
}

void ProbeCache::store_properties(const qapi::Capabilities& capabilities,
                                  const std::vector<std::string>& types) const {
    // A line that comes later counts: a damaged one is never mended, only outdone.
    std::string content = read(properties_part).value_or("");
    if (!content.empty() && !content.ends_with('\n')) content += '\n';
    for (const auto& type : types) {
        const auto* list = capabilities.properties_of(type);
        if (list == nullptr) continue;
        Json rows = Json::array();
        for (const auto& p : *list) rows.push_back(Json::array({p.name, p.type, p.description, p.initial}));
        content += fmt::format("{}\t{}\n", type, text_of(rows));
    }
    write(properties_part, content);
}

std::optional<Json> ProbeCache::load_introspection() const {
    const auto content = read(schema_part);
    if (!content) return std::nullopt;
    Json introspection = Json::parse(*content, nullptr, false);
    if (!introspection.is_array()) return std::nullopt;
    return introspection;
}

void ProbeCache::store_introspection(const Json& introspection) const {
    write(schema_part, text_of(introspection));
}

}  // namespace qvm::launch
