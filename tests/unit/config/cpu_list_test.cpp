// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/cpu_list.hpp"

#include "support/catch.hpp"

using namespace qvm::config;
using List = std::vector<unsigned>;

TEST_CASE("lists of CPUs") {
    CHECK(parse_cpu_list("3") == List{3});
    CHECK(parse_cpu_list("8,0-2,1") == List{0, 1, 2, 8});
    for (const char* wrong : {"", ",", "1,", "-1", "1-", "3-1", "a", "1 ", "0x1", "99999", "0-99999999999"}) {
        INFO(wrong);
        CHECK_FALSE(parse_cpu_list(wrong));
    }
    CHECK(cpu_list({0, 1, 2, 4, 6, 7}) == "0-2,4,6-7");
    CHECK(cpu_list({}).empty());
    CHECK(parse_cpu_list(cpu_list({0, 2, 3, 4095})) == List{0, 2, 3, 4095});
}
