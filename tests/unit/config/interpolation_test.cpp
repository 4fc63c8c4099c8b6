// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/interpolation.hpp"

#include <cstdlib>

#include "base/json.hpp"
#include "config/dump.hpp"
#include "support/catch.hpp"

namespace qvm::config {
namespace {

struct Loaded {
    Diagnostics diagnostics;
    Document document;
    std::string json() const { return to_json(document.root).dump(); }
    std::string text() const { return diagnostics.to_text(false); }
};

Loaded loaded(const std::string& text, const std::vector<std::string>& overrides = {}) {
    Loaded result;
    std::vector<Override> list;
    for (const auto& override : overrides) list.push_back({override});
    result.document = load({{"web.toml", "/vm/web.toml", text}}, list, result.diagnostics);
    return result;
}

std::string json(const std::string& text, const std::vector<std::string>& overrides = {}) {
    const auto result = loaded(text, overrides);
    CHECK(result.text().empty());
    return result.json();
}

TEST_CASE("variables stand for what they say, wherever they are said") {
    CHECK(
        json("disk.x.file = '${images}/${name}.${kind}'\n[vars]\nimages = '${dir}/images'\nkind = 'raw'\n") ==
        R"({"disk":{"x":{"file":"/vm/images/web.raw"}}})");
    CHECK(json("name = '${site}-db'\nkernel.append = 'host=${name}'\nvars.site = 'b'\n") ==
          R"({"name":"b-db","kernel":{"append":"host=b-db"}})");
    CHECK(json("vars.x = 'a'\nlink-down = ['${x}', 'b']\n", {"vars.x=c"}) == R"({"link-down":["c","b"]})");
    ::setenv("QVM_TEST_VARIABLE", "v", 1);
    CHECK(json("kernel.append = '${env:QVM_TEST_VARIABLE}'\n") == R"({"kernel":{"append":"v"}})");
}

TEST_CASE("a variable alone has its own type, where the key takes that") {
    const std::string vars = "[vars]\nn = 4\non = true\n";
    CHECK(json("cpus.count = '${n}'\nmemory.size = '${n}G'\n" + vars) ==
          R"({"cpus":{"count":4},"memory":{"size":"4G"}})");
    CHECK(json("cpus = '${n}'\nmemory = '${n}G'\nrng = '${on}'\n" + vars) ==
          R"({"cpus":{"count":4},"memory":{"size":"4G"},"rng":{"enabled":true}})");
    CHECK(json("disk.x.serial = '${n}'\ndisk.x.read-only = '${on}'\n" + vars) ==
          R"({"disk":{"x":{"serial":"4","read-only":true}}})");
    CHECK(json("device.x.cache = '${on}'\ndevice.x.serial = '${n}'\n" + vars) ==
          R"({"device":{"x":{"cache":true,"serial":"4"}}})");
}

TEST_CASE("only ${ is special, and $${ is a literal one") {
    CHECK(json("kernel.append = 'a$b $ $$ {x} $${x} $$${x}'\nvars.x = '1'\n") ==
          R"({"kernel":{"append":"a$b $ $$ {x} ${x} $${x}"}})");
    const auto text = to_toml(loaded("kernel.append = '$${x} $$${y}'\n").document);
    CHECK(json(text) == R"({"kernel":{"append":"${x} $${y}"}})");
    CHECK(without_variables("${a}$${b}") == "$${a}$$${b}");
}

TEST_CASE("what is no variable is told") {
    const auto text = [](const std::string& said) { return loaded(said).text(); };
    CHECK_THAT(text("kernel.append = '${imges}'\nvars.images = 'x'\n"),
               ContainsSubstring("web.toml:1:17: error: there is no variable 'imges' [bad-ref]") &&
                   ContainsSubstring("did you mean 'images'?"));
    CHECK_THAT(text("kernel.append = '${env:QVM_TEST_NONE}'\n"),
               ContainsSubstring("the environment has no variable 'QVM_TEST_NONE'"));
    CHECK_THAT(text("kernel.append = '${x'\n"), ContainsSubstring("has no } after it"));
    CHECK_THAT(text("kernel.append = '${a}'\nvars = { a = '${b}', b = '${a}' }\n"),
               ContainsSubstring("the variable 'a' is made of itself: a -> b -> a [cycle]"));
    CHECK_THAT(text("vars.a = [1]\nkernel.append = '${a}'\n"), ContainsSubstring("vars.a takes a string"));
    CHECK_THAT(text("vars.dir = 'x'\n"), ContainsSubstring("a variable cannot be called 'dir'"));
    CHECK_THAT(text("vars = 3\n"), ContainsSubstring("vars takes a table, not an integer"));
    CHECK_THAT(text("name = '${name}'\n"), ContainsSubstring("there is no variable 'name'"));
}

TEST_CASE("variables that double each time come to an end") {
    std::string text = "kernel.append = '${v40}'\n[vars]\nv0 = 'xxxxxxxxxxxxxxxx'\n";
    for (int i = 1; i <= 40; ++i)
        text += "v" + std::to_string(i) + " = '${v" + std::to_string(i - 1) + "}${v" + std::to_string(i - 1) +
                "}'\n";
    CHECK_THAT(loaded(text).text(), ContainsSubstring("longer than 1M"));
}

}  // namespace
}  // namespace qvm::config
