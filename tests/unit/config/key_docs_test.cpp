// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/key_docs.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "config/check.hpp"
#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "config/vocabulary.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

namespace qvm::config {
namespace {

/// Of all tables and keys, as key_docs() names them.
std::set<std::string> vocabulary_paths() {
    std::set<std::string> paths;
    for (const auto& table : vocabulary()) {
        paths.emplace(table.name);
        if (table.shape == Shape::Plain) continue;
        for (const auto& key : table.keys) {
            const auto path = fmt::format("{}.{}", table.name, key.name);
            paths.insert(path);
            for (const auto& member : key.members) paths.insert(fmt::format("{}.{}", path, member.name));
        }
    }
    return paths;
}

/// As `qvm check --no-host` finds it, but for the places of devices. What a file extends is not there.
std::string findings(std::string_view example) {
    Diagnostics diagnostics;
    Library library;
    library.read = [](const std::filesystem::path&) { return FileContent{}; };
    const auto document = load({{"vm.toml", "/vm/vm.toml", std::string(example)}}, {}, diagnostics, library);
    auto vm = lower(document, diagnostics);
    find_host_uses(vm, document, diagnostics);
    check(vm, test::saved_qemu(), diagnostics);
    return diagnostics.to_text(false);
}

TEST_CASE("every word of the language is explained, and nothing else is") {
    const auto wanted = vocabulary_paths();
    std::vector<std::string> missing, unknown;
    for (const auto& path : wanted)
        if (key_doc(path) == nullptr) missing.push_back(path);
    for (const auto& doc : key_docs())
        if (!wanted.contains(std::string(doc.path)) && doc.path != "enabled") unknown.emplace_back(doc.path);
    CHECK(missing == std::vector<std::string>());
    CHECK(unknown == std::vector<std::string>());
    for (const auto& doc : key_docs()) {
        INFO(doc.path);
        CHECK(std::ranges::count(key_docs(), doc.path, &KeyDoc::path) == 1);
        CHECK(doc.meaning.ends_with('.'));
    }
}

TEST_CASE("every example is a file without a mistake that says its key") {
    for (const auto& doc : key_docs()) {
        INFO(doc.path << "\n" << doc.example);
        REQUIRE_FALSE(doc.example.empty());
        const bool told_of = doc.path == "argv";
        if (!doc.path.starts_with("extends") && doc.path != "include" && doc.path != "unset" && !told_of)
            CHECK(findings(doc.example) == "");
        const auto last = doc.path.substr(doc.path.rfind('.') + 1);
        const bool short_form =
            doc.path == "watchdog.model" || doc.path == "video.model" || doc.path == "enabled";
        if (!short_form) CHECK(doc.example.find(last) != std::string_view::npos);
    }
}

}  // namespace
}  // namespace qvm::config
