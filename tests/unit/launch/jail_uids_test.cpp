// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_uids.hpp"

#include "support/catch.hpp"

using qvm::launch::JailUids;

TEST_CASE("a jail's uid is nobody else's") {
    const JailUids uids(std::vector<std::string>{"alice:100000:65536\nbob:165536:65536\n# a comment\n"});
    const auto one = uids.choose("/var/lib/qvm/one");
    CHECK(one >= JailUids::first);
    CHECK(one < JailUids::first + JailUids::count);
    CHECK(uids.choose("/var/lib/qvm/one") == one);
    CHECK(uids.choose("/var/lib/qvm/two") != one);

    JailUids crowded(std::vector<std::string>{});
    crowded.take(one);
    crowded.take(one + 1);
    CHECK(crowded.choose("/var/lib/qvm/one") == one + 2);
}

TEST_CASE("a uid that a user may have in a namespace of his own is left out") {
    const JailUids uids(std::vector<std::string>{"alice:1879048192:251000000\n"});
    CHECK(uids.choose("/var/lib/qvm/one") >= 1879048192U + 251000000U);
    // Whoever gave all of it away cannot be helped.
    CHECK(JailUids(std::vector<std::string>{"alice:1:4294967295\n"}).choose("x") >= JailUids::first);
}
