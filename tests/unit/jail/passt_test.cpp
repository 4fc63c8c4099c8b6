// SPDX-License-Identifier: GPL-3.0-or-later
// passt(1) in its thin jail: it builds its own sandbox in there, serves a guest, and ends with it.
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include "contained.hpp"
#include "jail/profile.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;

namespace {

std::uint16_t checksum(const void* header, std::size_t size) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < size; i += 2) {
        std::uint16_t word = 0;
        std::memcpy(&word, static_cast<const char*>(header) + i, sizeof word);
        sum += word;
    }
    while (sum >> 16U) sum = (sum & 0xffff) + (sum >> 16U);
    return static_cast<std::uint16_t>(~sum);
}

/// A guest's first question for an address (RFC 2131), in an Ethernet frame after its length: passt's stream
/// format.
std::string dhcp_discover() {
    std::string message(244, '\0');
    message.replace(0, 3, "\1\1\6");
    message.replace(28, 6, std::string("\x52\x54\0\x12\x34\x56", 6));
    message.replace(236, 8, "\x63\x82\x53\x63\x35\1\1\xff");
    message.resize(300);
    udphdr udp{};
    udp.source = htons(68);
    udp.dest = htons(67);
    udp.len = htons(static_cast<std::uint16_t>(sizeof udp + message.size()));
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.ttl = 64;
    ip.protocol = IPPROTO_UDP;
    ip.daddr = 0xffffffff;
    ip.tot_len = htons(static_cast<std::uint16_t>(sizeof ip + sizeof udp + message.size()));
    ip.check = checksum(&ip, sizeof ip);
    std::string frame = std::string(6, '\xff') + std::string("\x52\x54\0\x12\x34\x56\x08\0", 8);
    frame.append(reinterpret_cast<const char*>(&ip), sizeof ip);
    frame.append(reinterpret_cast<const char*>(&udp), sizeof udp);
    frame += message;
    const auto length = htonl(static_cast<std::uint32_t>(frame.size()));
    return std::string(reinterpret_cast<const char*>(&length), sizeof length) + frame;
}

/// All bytes until there is a DHCP reply's cookie among them, or the other side is gone.
bool hears_dhcp(int fd) {
    std::string heard;
    std::array<char, 4096> buffer{};
    while (heard.find("\x63\x82\x53\x63") == std::string::npos) {
        const auto count = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (count <= 0) return false;
        heard.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return true;
}

bool has_route() {
    std::ifstream routes("/proc/net/route");
    std::string header, line;
    std::getline(routes, header);
    return static_cast<bool>(std::getline(routes, line));
}

}  // namespace

TEST_CASE("passt serves a guest from its jail and ends with it", "[jail]") {
    const Program program{.binary = "/usr/bin/passt"};
    if (!std::filesystem::exists(program.binary)) {
        WARN("skipped: passt is not installed");
        return;
    }
    if (!has_route()) {
        WARN("skipped: passt needs a network with a route, and this machine has none");
        return;
    }
    auto spec = passt_profile(program);
    spec.name = "passt";
    if (as_root()) spec.host_uid = jail_uid;
    SocketPair line(SOCK_STREAM);
    spec.fds = {{line.second.get(), 3}};
    spec.argv.insert(spec.argv.end(), {"--foreground", "--quiet", "--fd", "3"});
    const Fd log = memory_file();
    spec.stub.log = log.get();
    auto child = spawn(spec);
    line.second.reset();
    const auto question = dhcp_discover();
    REQUIRE(::send(line.first.get(), question.data(), question.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(question.size()));
    const bool answered = hears_dhcp(line.first.get());
    INFO(content_of(log.get()));
    CHECK(answered);
    const auto status = content_of("/proc/" + std::to_string(child.process_pid()) + "/status");
    CHECK_THAT(status, ContainsSubstring("CapEff:\t0000000000000000"));
    CHECK_THAT(status, ContainsSubstring("Seccomp:\t2"));  // its own
    line.first.reset();
    CHECK(child.wait(-1)->to_string() == "exited with status 0");
}
