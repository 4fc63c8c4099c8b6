// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/path_rules.hpp"

#include <algorithm>

#include "support/catch.hpp"

using namespace qvm::jail;
using R = PathRights;

namespace {

std::uint64_t rights_of(const Spec& spec, const std::string& path) {
    const auto rules = path_rules(spec, -1);
    const auto found = std::ranges::find(rules, path, &PathRule::path);
    return found == rules.end() ? 0 : found->rights;
}

}  // namespace

TEST_CASE("only what is writable may be changed, and only a jail for any command executes") {
    Spec spec;
    spec.binds = {{.source = "/a", .target = "/a"}, {.source = "/b", .target = "/c", .writable = true}};
    spec.tmpfs = {"/tmp"};
    spec.devices = {Device::Null};
    spec.device_files = {"/dev/vfio/12"};
    CHECK(rights_of(spec, "/") == R::read);
    CHECK(rights_of(spec, "/a") == 0);
    for (const char* path : {"/c", "/tmp"}) {
        CHECK((rights_of(spec, path) & R::change) == R::change);
        CHECK((rights_of(spec, path) & R::make_symlink) != 0);
        CHECK((rights_of(spec, path) & R::execute) == 0);
    }
    CHECK((rights_of(spec, "/dev/null") & R::write_file) != 0);
    CHECK(rights_of(spec, "/dev/vfio/12") == rights_of(spec, "/dev/null"));
    spec.may_execute = true;
    CHECK(rights_of(spec, "/") == (R::read | R::execute));
}

TEST_CASE("what is forbidden beside paths follows the namespaces") {
    Spec spec;
    CHECK(landlock_scope(spec).tcp);
    CHECK(landlock_scope(spec).signals);
    spec.namespaces = {.net = false, .pid = false};
    CHECK_FALSE(landlock_scope(spec).tcp);
    CHECK_FALSE(landlock_scope(spec).signals);
    CHECK(landlock_scope(spec).abstract_sockets);
}
