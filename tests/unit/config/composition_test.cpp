// SPDX-License-Identifier: GPL-3.0-or-later
#include <cerrno>
#include <map>

#include "base/json.hpp"
#include "config/dump.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

namespace qvm::config {
namespace {

using Files = std::map<std::string, std::string>;

struct Loaded {
    Diagnostics diagnostics;
    Document document;
    std::string json() const { return to_json(document.root).dump(); }
    std::string text() const { return diagnostics.to_text(false); }
};

/// The VM of /vm/web.toml.
Loaded loaded(const Files& files, const std::vector<std::string>& overrides = {},
              std::vector<std::filesystem::path> templates = {}) {
    Loaded result;
    std::vector<Override> list;
    for (const auto& text : overrides) list.push_back({text});
    const Library library{
        std::move(templates), [&files](const std::filesystem::path& path) {
            const auto found = files.find(path.string());
            return found == files.end() ? FileContent{{}, ENOENT} : FileContent{found->second, 0};
        }};
    result.document =
        load({{"web.toml", "/vm/web.toml", files.at("/vm/web.toml")}}, list, result.diagnostics, library);
    return result;
}

std::string json(const Files& files, const std::vector<std::string>& overrides = {}) {
    const auto result = loaded(files, overrides);
    CHECK(result.text().empty());
    return result.json();
}

TEST_CASE("extends is below include, include below the file's own keys") {
    const Files files{{"/vm/web.toml", "extends = 'base.toml'\ninclude = ['a.toml', 'b.toml']\ncpus = 4\n"},
                      {"/vm/base.toml", "cpus = 1\nmemory = '1G'\nname = 'base'\n[disk.x]\nfile = 'x.raw'\n"},
                      {"/vm/a.toml", "memory = '2G'\nname = 'a'\ndisk.x.serial = '1'\n"},
                      {"/vm/b.toml", "name = 'b'\n"}};
    CHECK(json(files) == R"({"cpus":{"count":4},"memory":{"size":"2G"},"name":"b",)"
                         R"("disk":{"x":{"file":"x.raw","serial":"1"}}})");
    CHECK(json(files, {"memory.size=3G", "disk.x"}) ==
          R"({"cpus":{"count":4},"memory":{"size":"3G"},"name":"b","disk":{}})");
}

TEST_CASE("what is read is known, and relative paths begin at the file that says them") {
    const auto result =
        loaded({{"/vm/web.toml", "extends = 'sub/base.toml'\n"},
                {"/vm/sub/base.toml", "include = '../other.toml'\n[disk.x]\nfile = 'x.raw'\n"},
                {"/vm/other.toml", "memory = '1G'\n"}});
    CHECK(result.text().empty());
    CHECK(result.document.files == std::vector<std::filesystem::path>{"/vm/web.toml"});
    REQUIRE(result.document.inherited.size() == 2);
    CHECK(result.document.inherited[0].path == "/vm/sub/base.toml");
    CHECK(result.document.inherited[1].path == "/vm/other.toml");
    CHECK(origins_text(result.document).find("# sub/base.toml:3:8") != std::string::npos);
    const auto* disk = result.document.root.table()->find("disk")->table()->find("x");
    CHECK(result.document.directory_of(disk->origin) == "/vm/sub");
}

TEST_CASE("unset takes out of what is inherited, and of that alone") {
    const Files files{
        {"/vm/web.toml", "extends = 'base.toml'\nunset = ['disk.\"x\"', 'cpus']\ncpus.count = 4\n"},
        {"/vm/base.toml", "cpus = { count = 2, threads = 2 }\n[disk.x]\nfile = 'x'\n[disk.y]\nfile = 'y'\n"}};
    CHECK(json(files) == R"({"disk":{"y":{"file":"y"}},"cpus":{"count":4}})");
    auto wrong = files;
    wrong["/vm/web.toml"] = "extends = 'base.toml'\nunset = ['disk.z', 3]\n";
    CHECK_THAT(loaded(wrong).text(),
               ContainsSubstring("web.toml:2:9: error: unset takes an array of strings"));
}

TEST_CASE("a mistake in a file says through what it came in") {
    const auto result = loaded({{"/vm/web.toml", "extends = 'base.toml'\n"},
                                {"/vm/base.toml", "include = ['deep.toml']\n"},
                                {"/vm/deep.toml", "memory = 4G\n"}});
    CHECK_THAT(result.text(), ContainsSubstring("deep.toml:1:") &&
                                  ContainsSubstring("= via base.toml:1:12\n") &&
                                  ContainsSubstring("= via web.toml:1:11\n"));
}

TEST_CASE("what cannot be inherited is told where it is wished for") {
    const auto text = [](const std::string& web, const std::string& base = {}) {
        return loaded({{"/vm/web.toml", web}, {"/vm/base.toml", base}}).text();
    };
    CHECK_THAT(text("extends = 'bse.toml'\n"),
               ContainsSubstring("web.toml:1:11: error: cannot read '/vm/bse.toml'") &&
                   ContainsSubstring("[file-missing]"));
    CHECK_THAT(text("extends = 'web.toml'\n"), ContainsSubstring("[cycle]"));
    CHECK_THAT(text("extends = 'base.toml'\n", "include = ['./web.toml']\n"),
               ContainsSubstring("base.toml:1:12: error: '/vm/web.toml' inherits itself [cycle]") &&
                   ContainsSubstring("/vm/web.toml -> /vm/base.toml -> /vm/web.toml"));
    CHECK_THAT(text("extends = ['base.toml']\n"), ContainsSubstring("not an array [bad-type]"));
    CHECK_THAT(text("include = [1]\n"), ContainsSubstring("not an integer [bad-type]"));
    CHECK_THAT(text("extends = ''\n"), ContainsSubstring("not an empty string [bad-value]"));
    CHECK_THAT(
        text("extends = 'base.toml'\nunset = ['memry']\n", "memory = '1G'\n"),
        ContainsSubstring("web.toml:2:10: warning: there is nothing to unset: the file has no 'memry'") &&
            ContainsSubstring("did you mean 'memory'?"));
    CHECK_THAT(text("extends = 'base.toml'\nunset = ['a b']\n"),
               ContainsSubstring("'a b' is not a TOML key"));
    CHECK_THAT(loaded({{"/vm/web.toml", ""}}, {"extends=base.toml"}).text(),
               ContainsSubstring("--set:1:1: error: --set cannot say 'extends'"));
    CHECK_THAT(loaded({{"/vm/web.toml", "memory = '1G'\n"}}, {"memory.sise"}).text(),
               ContainsSubstring("--unset:1:1: warning: there is nothing to unset: memory has no 'sise'"));
}

TEST_CASE("files that double what they inherit come to an end") {
    Files files{{"/vm/web.toml", "include = ['0.toml']\n"}};
    for (int i = 0; i < 30; ++i)
        files["/vm/" + std::to_string(i) + ".toml"] =
            "include = ['" + std::to_string(i + 1) + ".toml', '" + std::to_string(i + 1) + ".toml']\n";
    files["/vm/30.toml"] = "memory = '1G'\n";
    CHECK_THAT(loaded(files).text(), ContainsSubstring("more than 200 files are inherited"));
}

TEST_CASE("templates are found by their names, beside the file first") {
    const test::TemporaryDirectory directory;
    directory.write("server.toml", "");
    const Files files{{"/vm/web.toml", "extends = 'server'\n"},
                      {"/etc/templates/server.toml", "memory = '1G'\nextends = 'server'\n"},
                      {"/usr/templates/server.toml", "memory = '2G'\ncpus = 2\n"}};
    const auto found = loaded(files, {}, {"/home/templates", "/etc/templates", "/usr/templates"});
    CHECK(found.text().empty());
    CHECK(found.json() == R"({"memory":{"size":"1G"},"cpus":{"count":2}})");
    auto beside = files;
    beside["/vm/server.toml"] = "cpus = 3\n";
    CHECK(loaded(beside, {}, {"/etc/templates"}).json() == R"({"cpus":{"count":3}})");
    CHECK_THAT(loaded({{"/vm/web.toml", "extends = 'sever'\n"}}, {}, {directory.path()}).text(),
               ContainsSubstring("there is no template 'sever' [bad-ref]") &&
                   ContainsSubstring("did you mean 'server'?") &&
                   ContainsSubstring("looked for sever.toml in /vm, "));
}

}  // namespace
}  // namespace qvm::config
