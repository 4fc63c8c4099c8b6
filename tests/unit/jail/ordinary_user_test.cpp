// SPDX-License-Identifier: GPL-3.0-or-later
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contained.hpp"
#include "support/catch.hpp"

using namespace qvm::jail::test;

TEST_CASE("as an ordinary user all of this is the same", "[ordinary-user]") {
    if (!as_root()) {
        WARN("skipped: this is an ordinary user already");
        return;
    }
    constexpr int cannot_run = 126;
    constexpr uid_t ordinary = 1001;
    const pid_t pid = ::fork();
    if (pid == 0) {
        // A user cannot enter where root has put its build: then there is nothing to execute.
        if (::setgroups(0, nullptr) != 0 || ::setresgid(ordinary, ordinary, ordinary) != 0 ||
            ::setresuid(ordinary, ordinary, ordinary) != 0 || ::chdir("/") != 0)
            ::_exit(cannot_run);
        ::execl("/proc/self/exe", "jail_test", "[jail]", nullptr);
        ::_exit(cannot_run);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == cannot_run) {
        WARN("skipped: uid 1001 cannot execute this program; build in a directory that everyone can enter");
        return;
    }
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
