// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/format.hpp"

#include <filesystem>
#include <random>

#include <toml++/toml.h>

#include "base/file.hpp"
#include "support/catch.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

std::string formatted(const std::string& text) {
    Diagnostics diagnostics;
    const auto result = format_toml("a.toml", text, diagnostics);
    return result ? *result : "no: " + diagnostics.to_text(false);
}

/// The same tree, dates and all, and a second time changes nothing. False if `text` is no TOML.
bool keeps_meaning(const std::string& text) {
    Diagnostics diagnostics;
    const auto result = format_toml("a.toml", text, diagnostics);
    if (!result) return false;
    INFO(text);
    INFO(*result);
    const toml::table before = toml::parse(text), after = toml::parse(*result);
    const bool has_nan = text.find("nan") != std::string::npos;  // which is not what it is
    CHECK((has_nan || before == after));
    CHECK(formatted(*result) == *result);
    CHECK(result->find(" \n") == std::string::npos);
    return true;
}

std::vector<fs::path> all_files() {
    std::vector<fs::path> files;
    for (const auto* directory : {QVM_SOURCE_DIR "/tests/golden", QVM_SOURCE_DIR "/examples"})
        for (const auto& file : fs::recursive_directory_iterator(directory))
            if (file.path().extension() == ".toml") files.push_back(file.path());
    return files;
}

TEST_CASE("the layout") {
    CHECK(formatted("a=1") == "a = 1\n");
    CHECK(formatted("  a   =\t1   \n\n\n\nb=2\n\n") == "a = 1\n\nb = 2\n");
    CHECK(formatted("\n\n[ a . \"b c\" ]\nx=true#why\n") == "[a.\"b c\"]\nx = true #why\n");
    CHECK(formatted("[[ a ]]\n[[a]]   # again\n") == "[[a]]\n[[a]]   # again\n");
    CHECK(formatted("a . b= 1") == "a.b = 1\n");
    CHECK(formatted("a=[1,2 ,3,]") == "a = [1, 2, 3]\n");
    CHECK(formatted("a=[ ]\nb={ }") == "a = []\nb = {}\n");
    CHECK(formatted("a={x=1,y={z=[1]}}") == "a = { x = 1, y = { z = [1] } }\n");
    CHECK(formatted("# one\n\n\n   # two  \n") == "# one\n\n# two\n");
    CHECK(formatted("a = 1\r\nb = 2 # x\r\n\r\n") == "a = 1\nb = 2 # x\n");
    CHECK(formatted("\xEF\xBB\xBF"
                    "a=1") == "a = 1\n");
    CHECK(formatted("").empty());
    CHECK(formatted(" \n \n").empty());
}

TEST_CASE("broken arrays stay broken") {
    CHECK(formatted("a=[\n1,2,\n      3, # three\n# alone\n\n\n4\n]\n") ==
          "a = [\n  1, 2,\n  3, # three\n  # alone\n\n  4\n]\n");
    CHECK(formatted("a=[[\n1],[2,\n3]]") == "a = [[\n    1], [2,\n    3]]\n");
    CHECK(formatted("a=[ # why\n1\n  ,2\n]") == "a = [ # why\n  1\n  , 2\n]\n");
    CHECK(formatted("a={b=[\n1,\n]}") == "a = { b = [\n  1,\n] }\n");
}

TEST_CASE("values stay as they are spelt") {
    const std::string text =
        R"(a = 0x1F
b = 1_000
c = +1.50e3
d = 'it'
e = """
  x  = y   


[z] \"" """""
f = '''
# no comment   
'''
g = 1979-05-27 07:32:00
"h = \" i" = "\\"
'j.k'.l = '\'
m = nan
)";
    CHECK(formatted(text) == text);
}

TEST_CASE("what is no TOML is not formatted") {
    Diagnostics diagnostics;
    CHECK_FALSE(format_toml("bad.toml", "a = \n", diagnostics));
    REQUIRE(diagnostics.size() == 1);
    CHECK(diagnostics.list()[0].kind == DiagnosticKind::TomlSyntax);
    CHECK(diagnostics.list()[0].origin.to_string() == "bad.toml:1:5");
    CHECK(diagnostics.to_text(false).find("1 | a = ") != std::string::npos);
}

TEST_CASE("all our files mean what they meant") {
    std::size_t good = 0;
    for (const auto& file : all_files()) {
        INFO(file.string());
        if (keeps_meaning(read_file(file).bytes)) ++good;
    }
    CHECK(good >= 80);
}

TEST_CASE("examples are formatted") {
    for (const auto& file : fs::directory_iterator(QVM_SOURCE_DIR "/examples")) {
        INFO(file.path().string());
        CHECK(formatted(read_file(file.path()).bytes) == read_file(file.path()).bytes);
    }
}

TEST_CASE("mutations mean what they meant") {
    std::mt19937 random(11);  // NOLINT: the same mutations in each run
    const std::string letters = " \t\n\r\n  =[]{},.#\"'\\a0-:_";
    std::size_t good = 0;
    for (const auto& file : all_files()) {
        const std::string text = read_file(file).bytes;
        for (int round = 0; round < 60; ++round) {
            std::string changed = text;
            const auto edits = 1 + random() % 3;
            for (std::size_t i = 0; i < edits && !changed.empty(); ++i) {
                const auto at = random() % changed.size();
                switch (random() % 3) {
                    case 0:
                        changed[at] = letters[random() % letters.size()];
                        break;
                    case 1:
                        changed.insert(at, 1, letters[random() % letters.size()]);
                        break;
                    default:
                        changed.erase(at, 1);
                }
            }
            if (keeps_meaning(changed)) ++good;
        }
    }
    CHECK(good >= 1000);
}

}  // namespace
}  // namespace qvm::config
