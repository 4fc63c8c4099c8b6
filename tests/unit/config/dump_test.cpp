// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/dump.hpp"

#include <array>

#include "base/json.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "support/catch.hpp"
#include "unit/config/vm_json.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

Vm lowered(const std::vector<SourceText>& texts, Diagnostics& diagnostics) {
    const Document document = load(texts, {}, diagnostics);
    Vm vm = lower(document, diagnostics);
    find_host_uses(vm, document, diagnostics);
    return vm;
}

std::vector<fs::path> all_files() {
    std::vector<fs::path> files;
    for (const auto* directory : {QVM_SOURCE_DIR "/tests/golden/lower", QVM_SOURCE_DIR "/examples"})
        for (const auto& file : fs::directory_iterator(directory))
            if (file.path().extension() == ".toml") files.push_back(file.path());
    return files;
}

TEST_CASE("the raw level of a VM is the same VM") {
    std::size_t compared = 0;
    for (const auto& file : all_files()) {
        INFO(file.string());
        Diagnostics first;
        const Vm vm = lowered(read_files({file.string()}), first);
        if (first.has_errors()) continue;
        Diagnostics second;
        const std::string text = to_toml(vm);
        CHECK_THAT(text, Catch::Matchers::StartsWith("defaults = false\n"));
        const Vm again = lowered({{"dump.toml", "/elsewhere/dump.toml", text}}, second);
        INFO(text);
        INFO(second.to_text(false));
        // argv is never checked, and told of each time.
        CHECK(second.size() == (vm.argv.empty() ? 0 : 1));
        CHECK_FALSE(second.has_errors());
        CHECK(vm_json(again).dump(1) == vm_json(vm).dump(1));
        CHECK(to_toml(again) == text);
        ++compared;
    }
    CHECK(compared >= 8);
}

TEST_CASE("raw.toml is disk.toml at the raw level, as its comment says") {
    const auto json = [](const char* file) {
        Diagnostics diagnostics;
        Json vm =
            vm_json(lowered(read_files({std::string(QVM_SOURCE_DIR "/examples/") + file}), diagnostics));
        CHECK(diagnostics.size() == 0);
        vm.erase("name");
        vm.erase("uuid");  // made of the name
        return vm.dump(1);
    };
    CHECK(json("raw.toml") == json("disk.toml"));
}

TEST_CASE("a document as text is the same document") {
    for (const auto& file : all_files()) {
        INFO(file.string());
        Diagnostics diagnostics;
        const Document document = load(read_files({file.string()}), {}, diagnostics);
        if (diagnostics.size() != 0) continue;
        const std::string text = to_toml(document);
        INFO(text);
        const Document again = load({{"dump.toml", file, text}}, {}, diagnostics);
        // Tables come after plain keys in the text, so the order may differ.
        const auto unordered = [](const Document& d) {
            return nlohmann::json::parse(to_json(d.root).dump());
        };
        CHECK(unordered(again) == unordered(document));
        CHECK(to_toml(again) == text);
    }
}

TEST_CASE("odd keys and strings survive") {
    Diagnostics diagnostics;
    const std::string text =
        "\"a b\" = \"q\\\"uote\\\\ \\t \\n \\u0001 \\u007F \u00e9\"\n\"\" = [1.0, 1e300, inf, -7]\n"
        "\n[x.\"y.z\"]\nok = true\n\n[empty]\n";
    const Document document = load({{"a.toml", "/a.toml", text}}, {}, diagnostics);
    REQUIRE(diagnostics.size() == 0);
    const Document again = load({{"a.toml", "/a.toml", to_toml(document)}}, {}, diagnostics);
    CHECK(diagnostics.size() == 0);
    CHECK(to_json(again.root) == to_json(document.root));
}

TEST_CASE("origins name the file or the override of every leaf") {
    Diagnostics diagnostics;
    const Document document = load({{"a.toml", "/a.toml", "memory = \"1G\"\n[disk.x]\nfile = \"x.raw\"\n"}},
                                   {{"memory=2G"}}, diagnostics);
    CHECK(origins_text(document) ==
          "memory.size = \"2G\"                       # --set:1:8\n"
          "disk.x.file = \"x.raw\"                    # a.toml:3:8\n");
}

}  // namespace
}  // namespace qvm::config
