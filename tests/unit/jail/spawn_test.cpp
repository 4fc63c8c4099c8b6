// SPDX-License-Identifier: GPL-3.0-or-later
// A process in the jail, seen from inside and from outside. The whole file runs a second time as an ordinary
// user.
#include "jail/spawn.hpp"

#include "contained.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;

TEST_CASE("a process runs in the jail and its output and status come back", "[jail]") {
    const auto outcome = run(shell("echo hello; exit 7"));
    CHECK(outcome.output == "hello\n");
    CHECK(outcome.status.to_string() == "exited with status 7");
}
