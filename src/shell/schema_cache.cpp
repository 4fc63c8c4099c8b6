// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/schema_cache.hpp"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"

namespace qvm::shell {
namespace {

namespace fs = std::filesystem;

fs::path directory() {
    const char* cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && *cache == '/') return fs::path(cache) / "qvm/schemas";
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/') return {};
    return fs::path(home) / ".cache/qvm/schemas";
}

}  // namespace

std::string schema_key(const qmp::Greeting& greeting, const std::vector<std::string>& commands) {
    const auto words = fmt::format("{}\n{}", greeting.package, fmt::join(commands, "\n"));
    return fmt::format("{}.{}.{}-{:016x}", greeting.major, greeting.minor, greeting.micro,
                       stable_hash(words));
}

std::optional<qapi::Schema> cached_schema(const std::string& key) {
    const auto place = directory();
    if (place.empty()) return std::nullopt;
    const auto content = read_file(place / key);
    if (!content) return std::nullopt;
    std::string_view rest = content.bytes;
    return qapi::Schema::restore(rest);
}

void cache_schema(const std::string& key, const qapi::Schema& schema) {
    const auto place = directory();
    std::error_code failed;
    if (place.empty() || (fs::create_directories(place, failed), failed)) return;
    try {
        write_atomically(place / key, schema.save(), Survives::Us);
    } catch (const SystemError&) {  // then it is asked for again
    }
}

}  // namespace qvm::shell
