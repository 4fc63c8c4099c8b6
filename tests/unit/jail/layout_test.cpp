// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/layout.hpp"

#include <sys/mount.h>

#include "contained.hpp"
#include "support/catch.hpp"

using namespace qvm::jail;
using namespace qvm::jail::test;

namespace {

std::vector<std::string> targets(const Layout& layout) {
    std::vector<std::string> result;
    for (const auto& attachment : layout.attachments) result.push_back(attachment.target);
    return result;
}

}  // namespace

TEST_CASE("parents are made before what they hold, once", "[jail]") {
    Spec spec;
    spec.binds = {{.source = "/usr/lib", .target = "/a/b/lib"},
                  {.source = "/etc/passwd", .target = "/a/c/file"}};
    spec.directories = {"/a/d", "/a/d"};
    spec.symlinks = {{"b", "/a/e/link"}};
    spec.proc = true;
    const auto layout = lay_out(spec);
    CHECK(layout.directories == std::vector<std::string>{"a", "a/b", "a/b/lib", "a/c", "a/d", "proc", "a/e"});
    CHECK(layout.files == std::vector<std::string>{"a/c/file"});
}

TEST_CASE("a bind within another is left out only when it shows the same", "[jail]") {
    Spec spec;
    const Bind outer{.source = "/usr/lib", .target = "/usr/lib", .executable = true};
    SECTION("the same, with fewer rights asked") {
        spec.binds = {{.source = "/usr/lib/os-release", .target = "/usr/lib/os-release"}, outer};
        CHECK(targets(lay_out(spec)) == std::vector<std::string>{"usr/lib"});
    }
    SECTION("the same, with the same rights") {
        spec.binds = {{.source = "/usr/lib/qemu", .target = "/usr/lib/qemu", .executable = true}, outer};
        CHECK(targets(lay_out(spec)) == std::vector<std::string>{"usr/lib"});
    }
    SECTION("the same, with more rights asked") {
        spec.binds = {outer, {.source = "/usr/lib/qemu", .target = "/usr/lib/qemu", .writable = true}};
        CHECK(targets(lay_out(spec)).size() == 2);
    }
    SECTION("twice") {
        spec.binds = {outer, outer};
        CHECK(targets(lay_out(spec)) == std::vector<std::string>{"usr/lib"});
    }
    SECTION("another source: nothing is made below, the outer one brings it") {
        spec.binds = {outer, {.source = "/usr/share", .target = "/usr/lib/qemu", .executable = true}};
        const auto layout = lay_out(spec);
        CHECK(targets(layout) == std::vector<std::string>{"usr/lib", "usr/lib/qemu"});
        CHECK(layout.directories == std::vector<std::string>{"usr", "usr/lib"});
    }
    SECTION("a name that only begins the same is another") {
        spec.binds = {outer, {.source = "/usr/lib64", .target = "/usr/lib64", .executable = true}};
        CHECK(targets(lay_out(spec)).size() == 2);
    }
}

TEST_CASE("the root has room for its copies", "[jail]") {
    const auto file = memory_file(std::string(10'000, 'x'));
    Spec spec;
    const auto empty = std::stoull(lay_out(spec).size);
    spec.copies = {{file.get(), "/k/a", "a"}, {file.get(), "/k/b", "b"}};
    CHECK(std::stoull(lay_out(spec).size) == empty + 2 * 12288);
}
