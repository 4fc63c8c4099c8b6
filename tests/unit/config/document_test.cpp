// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/document.hpp"

#include <fstream>

#include "base/error.hpp"
#include "base/json.hpp"
#include "support/catch.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

struct Loaded {
    Diagnostics diagnostics;
    Document document;
    std::string json() const { return to_json(document.root).dump(); }
};

Loaded loaded(const std::vector<std::string>& texts, const std::vector<std::string>& sets = {}) {
    Loaded result;
    std::vector<SourceText> sources;
    for (const auto& text : texts) {
        const std::string name = std::string(1, static_cast<char>('a' + sources.size())) + ".toml";
        sources.push_back({name, "/vm/" + name, text});
    }
    std::vector<Override> overrides;
    for (const auto& set : sets) overrides.push_back({set});
    result.document = load(sources, overrides, result.diagnostics);
    return result;
}

/// The only diagnostic's "position: message".
std::string complaint(const Loaded& result) {
    REQUIRE(result.diagnostics.size() == 1);
    const auto& d = result.diagnostics.list().front();
    return d.origin.to_string() + ' ' + d.message;
}

const Value& at(const Document& document, std::initializer_list<const char*> path) {
    const Value* value = &document.root;
    for (const auto* key : path) {
        REQUIRE(value->is_table());
        value = value->table()->find(key);
        REQUIRE(value != nullptr);
    }
    return *value;
}

std::string place(const Origin& origin) {
    return origin.to_string() + '+' + std::to_string(origin.length);
}

TEST_CASE("every key and value knows its place, in bytes") {
    const auto result =
        loaded({"name = \"\u00e9t\u00e9\"\n[disk.root]\n  file = \"x.raw\" # why\n"
                "net.a = { device = { \"mac\" = \"\u00e9\", x = [1,\n 2] } }\r\n"});
    REQUIRE(result.diagnostics.size() == 0);
    const Document& document = result.document;
    CHECK(place(at(document, {"name"}).origin) == "a.toml:1:8+7");
    CHECK(place(at(document, {"disk", "root", "file"}).origin) == "a.toml:3:10+7");
    CHECK(place(at(document, {"disk"}).table()->entry("root")->key_origin) == "a.toml:2:7+4");
    CHECK(place(at(document, {"disk", "root"}).table()->entry("file")->key_origin) == "a.toml:3:3+4");
    const Value& device = at(document, {"disk", "root", "net", "a", "device"});
    CHECK(place(device.table()->entry("mac")->key_origin) == "a.toml:4:22+5");
    CHECK(place(device.table()->entry("x")->key_origin) == "a.toml:4:36+1");
    CHECK(place(device.table()->find("x")->origin) == "a.toml:4:40+3");  // to the end of its first line
}

TEST_CASE("keys come in the order of the file") {
    CHECK(loaded({"z = 1\na = 2\n[m]\ny = 1\nb = 2\n[c]\n"}).json() ==
          R"({"z":1,"a":2,"m":{"y":1,"b":2},"c":{}})");
}

TEST_CASE("short forms are tables before anything is merged") {
    CHECK(loaded({"machine = 'q35'\nmemory = '4G'\ncpus = 4\ncpu = 'max'\nqemu = '/q'\nconsole = 'serial'"})
              .json() ==
          R"({"machine":{"type":"q35"},"memory":{"size":"4G"},"cpus":{"count":4},"cpu":{"model":"max"},)"
          R"("qemu":{"binary":"/q"},"console":{"type":"serial"}})");
    CHECK(
        loaded({"memory = 1024\nrng = true\nconsole = false\ndisk.a = false"}).json() ==
        R"({"memory":{"size":1024},"rng":{"enabled":true},"console":{"enabled":false},"disk":{"a":{"enabled":false}}})");
    CHECK(loaded({"machine = 'q35'"}, {"machine.accel=tcg"}).json() ==
          R"({"machine":{"type":"q35","accel":"tcg"}})");
    CHECK(loaded({"[machine]\naccel = 'tcg'", "machine = 'pc'"}).json() ==
          R"({"machine":{"accel":"tcg","type":"pc"}})");
}

TEST_CASE("later texts win, and say so") {
    const auto result =
        loaded({"memory = '1G'\ndisk.a = { file = 'x' }", "memory = '2G'\n[disk.a]\nboot = 1"});
    CHECK(result.json() == R"({"memory":{"size":"2G"},"disk":{"a":{"file":"x","boot":1}}})");
    CHECK(at(result.document, {"memory", "size"}).origin.to_string() == "b.toml:1:10");
    CHECK(at(result.document, {"disk", "a", "file"}).origin.to_string() == "a.toml:2:19");
    CHECK(result.document.directory_of(at(result.document, {"disk", "a", "boot"}).origin) == "/vm");
}

TEST_CASE("--set: the value is typed by its key") {
    const auto value = [](const std::string& set, std::initializer_list<const char*> path) {
        const auto result = loaded({""}, {set});
        REQUIRE(result.diagnostics.size() == 0);
        return to_json(at(result.document, path)).dump();
    };
    CHECK(value("disk.x.serial=0123", {"disk", "x", "serial"}) == R"("0123")");
    CHECK(value("disk.x.serial=123", {"disk", "x", "serial"}) == R"("123")");
    CHECK(value("disk.x.device.serial=123", {"disk", "x", "device", "serial"}) == R"("123")");
    CHECK(value("device.x.serial=true", {"device", "x", "serial"}) == R"("true")");
    CHECK(value("disk.x.serial=\"a b\"", {"disk", "x", "serial"}) == R"("a b")");
    CHECK(value("disk.x.serial=", {"disk", "x", "serial"}) == R"("")");
    CHECK(value("disk.x.boot=1", {"disk", "x", "boot"}) == "1");
    CHECK(value("disk.x.read-only=true", {"disk", "x", "read-only"}) == "true");
    CHECK(value("disk.x=false", {"disk", "x", "enabled"}) == "false");
    CHECK(value("memory=4G", {"memory", "size"}) == R"("4G")");
    CHECK(value("memory=4096", {"memory", "size"}) == "4096");
    CHECK(value("cpu=486", {"cpu", "model"}) == R"("486")");
    CHECK(value("machine.accel=tcg", {"machine", "accel"}) == R"("tcg")");
    CHECK(value("machine.accel=['tcg']", {"machine", "accel"}) == R"(["tcg"])");
    CHECK(value("machine.kernel-irqchip=split", {"machine", "kernel-irqchip"}) == R"("split")");
    CHECK(value("cpu.\"sse4.1\"=true", {"cpu", "sse4.1"}) == "true");
    CHECK(value("kernel.append=console=ttyS0 quiet # x", {"kernel", "append"}) ==
          R"("console=ttyS0 quiet # x")");
    CHECK(value("device.x.when=2024-01-01", {"device", "x", "when"}) == R"("2024-01-01")");
    CHECK(value("net.x={ type = 'user' }", {"net", "x"}) == R"({"type":"user"})");
    CHECK(value("console=false", {"console", "enabled"}) == "false");
}

TEST_CASE("--set: origins name the override") {
    const auto result = loaded({"memory = '1G'"}, {"cpus=2", "memory.size=2X", "machine.accel=['tcg']"});
    CHECK(place(at(result.document, {"cpus", "count"}).origin) == "--set:1:6+1");
    CHECK(place(at(result.document, {"memory", "size"}).origin) == "--set:2:13+2");
    CHECK(place(at(result.document, {"memory"}).table()->entry("size")->key_origin) == "--set:2:8+4");
    CHECK(place(at(result.document, {"machine", "accel"}).origin) == "--set:3:15+7");
    CHECK(result.diagnostics.sources.line("--set", 2) == "memory.size=2X");
    CHECK(result.document.directory_of(at(result.document, {"cpus"}).origin) == fs::current_path());
}

TEST_CASE("--set: what is no override is said, and the rest still counts") {
    CHECK(complaint(loaded({""}, {"=1"})) == "--set:1:1 '' is not a TOML key");
    CHECK(complaint(loaded({""}, {"a b=1"})) == "--set:1:1 'a b' is not a TOML key");
    CHECK(complaint(loaded({""}, {"[a]=1"})) == "--set:1:1 '[a]' is not a TOML key");
    // A header, and a comment in which the '=' stands.
    CHECK(complaint(loaded({""}, {"[a]#=1"})) == "--set:1:1 '[a]#' is not a TOML key");
    CHECK(complaint(loaded({""}, {"[[a]]#=1"})) == "--set:1:1 '[[a]]#' is not a TOML key");
    CHECK(complaint(loaded({""}, {"a=\xff"})) == "--set:1:1 --set has bytes that no TOML string can hold");
    const auto result = loaded({""}, {"a b=1", "name=x\nname=y"});
    CHECK(result.json() == R"({"name":"x name=y"})");
}

TEST_CASE("a syntax error is one diagnostic, with what usually lies behind it") {
    const auto error = [](const std::string& text) {
        const auto result = loaded({text});
        REQUIRE(result.diagnostics.size() == 1);
        const auto& d = result.diagnostics.list().front();
        CHECK(d.kind == DiagnosticKind::TomlSyntax);
        CHECK(result.json() == "{}");
        return d.origin.to_string() + (d.notes.empty() ? "" : ' ' + d.notes.front());
    };
    CHECK_THAT(error("name = 'x'\nmemory = 4G\n"),
               ContainsSubstring("a.toml:2:") && ContainsSubstring("quotes: \"4G\""));
    CHECK_THAT(error("machine = q35"), ContainsSubstring("quotes: \"q35\""));
    CHECK_THAT(error("accel = tcg"), ContainsSubstring("quotes: \"tcg\""));
    CHECK_THAT(error("disk = { a = 1 }\n[disk.b]\n"),
               ContainsSubstring("a.toml:2:1") && ContainsSubstring("[table] header"));
    CHECK_THAT(error("disk = { a = 1 }\ndisk.b = 1\n"), ContainsSubstring("[table] header"));
    CHECK_THAT(error("disk = {\n a = 1 }\n"), ContainsSubstring("must end on the line"));
    CHECK(error("a = 1\n\n  a = 2") == "a.toml:3:3");
    SECTION("at the header that is wrong, which the library has read past") {
        CHECK(error("[a]\nb = 1\n\n[a.b.c]\nx = 1\n") == "a.toml:4:1");
        CHECK(error("[a]\nb = 1\n\n[[a.b.c]]\n\n[d]\n") == "a.toml:4:1");
        CHECK(error("[a]\nb = [1]\n [a.b.c]\n").starts_with("a.toml:3:2"));
        CHECK(error("[a]\nb = {}\n[a.b.c]").starts_with("a.toml:3:1"));
        CHECK(error("[a]\nx = 1\n[b]\n[a]\n") == "a.toml:4:1");
    }
    CHECK(error("a = [1, 2").starts_with("a.toml:1:"));
    CHECK(error("a = \"\xff\"").starts_with("a.toml:1:"));
    CHECK(error("x = " + std::string(5000, '[')).starts_with("a.toml:1:"));
    std::string endless = "a";
    for (int i = 0; i < 100'000; ++i) endless += ".a";
    CHECK(error("ok = 1\n" + endless + " = 1") == "a.toml:2:1");
    CHECK(error('[' + endless + ']') == "a.toml:1:1");
}

TEST_CASE("one broken text does not hide the other") {
    const auto result = loaded({"memory = '1G'", "oops", "cpus = 2"});
    CHECK(result.json() == R"({"memory":{"size":"1G"},"cpus":{"count":2}})");
    CHECK(complaint(result).starts_with("b.toml:1:"));
}

TEST_CASE("TOML's dates have no meaning here") {
    CHECK(complaint(loaded({"a = 1979-05-27"})) == "a.toml:1:5 no key takes a date or a time");
}

TEST_CASE("files that cannot be read") {
    CHECK_THROWS_WITH(read_files({"/nowhere/vm.toml"}), ContainsSubstring("'/nowhere/vm.toml'"));
    CHECK_THROWS_WITH(read_files({"/"}), ContainsSubstring("directory"));
    const auto texts = read_files({QVM_SOURCE_DIR "/tests/../tests/golden/lower/tiny.toml"});
    REQUIRE(texts.size() == 1);
    CHECK(texts[0].path == QVM_SOURCE_DIR "/tests/golden/lower/tiny.toml");
    CHECK_THAT(texts[0].text, ContainsSubstring("memory = \"256M\""));
}

}  // namespace
}  // namespace qvm::config
