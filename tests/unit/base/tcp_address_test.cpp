// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/tcp_address.hpp"

#include <sys/socket.h>

#include "base/error.hpp"
#include "support/catch.hpp"

using namespace qvm;

TEST_CASE("an address is numeric and has a port") {
    const auto four = parse_tcp_address("127.0.0.1:5901");
    REQUIRE(four);
    CHECK(four->host == "127.0.0.1");
    CHECK(four->port == 5901);
    CHECK(four->is_loopback());
    CHECK(four->to_string() == "127.0.0.1:5901");
    const auto six = parse_tcp_address("[::1]:80");
    REQUIRE(six);
    CHECK(six->to_string() == "[::1]:80");
    CHECK(six->is_loopback());
    CHECK_FALSE(parse_tcp_address("0.0.0.0:1")->is_loopback());
    CHECK_FALSE(parse_tcp_address("[::]:1")->is_loopback());
    for (const auto* text :
         {"", ":1", "1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1",
          "127.0.0.1:1x", "localhost:1", "::1:80", "[127.0.0.1]:1", "[]:1"})
        CHECK_FALSE(parse_tcp_address(text));
}

TEST_CASE("a port that is taken is named") {
    // The kernel has one that is free; whoever asks again for the same is refused.
    const Fd first = listen_tcp({"127.0.0.1", 0});
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    REQUIRE(::getsockname(first.get(), reinterpret_cast<sockaddr*>(&storage), &size) == 0);
    TcpAddress taken{"127.0.0.1", 0};
    const auto* bytes = reinterpret_cast<const unsigned char*>(&storage) + 2;  // sockaddr_in: sin_port
    taken.port = static_cast<std::uint16_t>(bytes[0] << 8U | bytes[1]);
    CHECK_THROWS_WITH(listen_tcp(taken), ContainsSubstring(taken.to_string()));
}
