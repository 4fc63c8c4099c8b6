// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/jail_uids.hpp"

#include <algorithm>

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

TEST_CASE("a range that somebody chose is kept to, and ends") {
    const std::vector<std::string> nobodys;
    JailUids uids(nobodys, {2000, 2002});
    std::vector<std::uint32_t> chosen;
    for (const char* key : {"one", "two", "three"}) {
        chosen.push_back(uids.choose(key));
        uids.take(chosen.back());
    }
    std::ranges::sort(chosen);
    CHECK(chosen == std::vector<std::uint32_t>{2000, 2001, 2002});
    CHECK_THROWS_WITH(uids.choose("four"), ContainsSubstring("no uid is free in jail.uid-range, 2000-2002"));
    CHECK_THROWS(JailUids(std::vector<std::string>{"alice:2000:10\n"}, {2000, 2002}).choose("one"));
    // Root's own line of passwd(5) is in every system's.
    CHECK_THROWS(JailUids(JailUids::Range{0, 0}).choose("one"));
}
