// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/ssh_way.hpp"

#include "config/document.hpp"
#include "config/lower.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

std::optional<SshWay> way_of(const std::string& file) {
    Diagnostics diagnostics;
    const auto document = config::load({{"vm.toml", "/vm/vm.toml", file}}, {}, diagnostics);
    const auto vm = config::lower(document, diagnostics);
    INFO(diagnostics.to_text(false));
    REQUIRE_FALSE(diagnostics.has_errors());
    return ssh_way(vm);
}

}  // namespace

TEST_CASE("the way to a guest's ssh is the first forward that leads to port 22") {
    const auto way = way_of(
        "[net.a]\ntype = \"user\"\nforward = [\"8080 -> 80\", \"udp:22 -> 22\", \"2222 -> 22\", \"2223 -> "
        "22\"]");
    REQUIRE(way);
    CHECK(way->address == "127.0.0.1");
    CHECK(way->port == 2222);
    CHECK(way->user.empty());
}

TEST_CASE("a range, an address of all, IPv6, and whom cloud-init lets in") {
    const auto range = way_of(
        "cloud-init = { user = \"me\" }\n"
        "net.a = { type = \"user\", forward = [\"0.0.0.0:8000-8010 -> 20\"] }");
    REQUIRE(range);
    CHECK(range->address == "127.0.0.1");
    CHECK(range->port == 8002);
    CHECK(range->user == "me");
    const auto six = way_of("net.a = { type = \"user\", forward = [\"[fe80::1]:2222 -> 22\"] }");
    REQUIRE(six);
    CHECK(six->address == "fe80::1");
    CHECK(way_of("net.a = { type = \"user\", forward = [\"[::]:2222 -> 22\"] }")->address == "::1");
}

TEST_CASE("there may be no way") {
    CHECK_FALSE(way_of("memory = \"1G\""));
    CHECK_FALSE(way_of("net.a = { type = \"none\" }"));
    CHECK_FALSE(way_of("net.a = { type = \"user\", forward = [\"2222 -> 2222\", \"100-110 -> 23\"] }"));
}

TEST_CASE("without a forward it is vsock") {
    const auto way = way_of("vsock.cid = 42\ncloud-init = { user = \"me\" }");
    REQUIRE(way);
    CHECK(way->by_vsock());
    CHECK(way->cid == 42);
    CHECK(way->port == 22);
    CHECK(way->user == "me");
    CHECK(way_of("vsock = true")->by_vsock());
    const auto forward = way_of("vsock.cid = 42\nnet.a = { type = \"user\", forward = [\"2222 -> 22\"] }");
    REQUIRE(forward);
    CHECK_FALSE(forward->by_vsock());
}
