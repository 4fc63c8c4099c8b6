// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_host.hpp"

#include <cerrno>
#include <unistd.h>

#include "base/error.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

config::Vm with_user(const std::string& name) {
    config::Vm vm;
    vm.jail.user = config::Setting<std::string>{name, {}};
    return vm;
}

std::string said_of(const config::Vm& vm) {
    Diagnostics diagnostics;
    check_jail_host(vm, diagnostics);
    return diagnostics.to_text(false);
}

}  // namespace

TEST_CASE("users of the host are known by their names") {
    REQUIRE(user_named("root"));
    CHECK(user_named("root")->uid == 0);
    CHECK_FALSE(user_named("no-such-user"));
    CHECK_FALSE(user_named(""));
}

TEST_CASE("jail.user is a user of the host, and never root") {
    CHECK_THAT(said_of(with_user("root")), ContainsSubstring("never the user of a jail"));
    const auto unknown = said_of(with_user("nobdoy"));
    CHECK_THAT(unknown, ContainsSubstring("no user 'nobdoy'"));
    CHECK_THAT(unknown, ContainsSubstring("[bad-ref]"));
    if (::geteuid() == 0)
        CHECK(said_of(with_user("nobody")).empty());
    else
        CHECK_THAT(said_of(with_user("daemon")), ContainsSubstring("only root may choose"));
    auto vm = with_user("nobdoy");
    vm.jail_mode.value = config::JailMode::Off;
    CHECK(said_of(vm).empty());
}

TEST_CASE("a kernel without io_uring is told by its reason") {
    CHECK(io_uring_trouble(EFAULT, "").empty());
    CHECK(io_uring_trouble(EFAULT, "0").empty());
    CHECK_THAT(io_uring_trouble(EPERM, "2"), ContainsSubstring("for nobody"));
    CHECK_THAT(io_uring_trouble(EFAULT, "1"), ContainsSubstring("its group alone"));
    CHECK_THAT(io_uring_trouble(ENOSYS, ""), ContainsSubstring("built without"));
    CHECK_THAT(io_uring_trouble(EPERM, "0"), ContainsSubstring("io_uring_setup"));
}
