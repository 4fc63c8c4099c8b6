// SPDX-License-Identifier: GPL-3.0-or-later
// Sockets: Unix ones, and none of the host's at their other end.
#include <arpa/inet.h>
#include <cstddef>
#include <cstring>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

constexpr long number_of_socket = 41;

/// Of whichever kind there may be.
bool make_pair(int (&pair)[2]) {
    return ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0 ||
           ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
}

/// A Unix socket, or one end of a pair.
int any_socket() {
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int pair[2];
    if (socket >= 0 || !make_pair(pair)) return socket;
    ::close(pair[1]);
    return pair[0];
}

/// Closes what was made and keeps errno.
Result made(int socket) {
    if (socket < 0) return contained(errno_name(errno));
    ::close(socket);
    return escaped("done");
}

Result internet_stream() {
    return made(::socket(AF_INET, SOCK_STREAM, 0));
}
Result internet_datagram() {
    return made(::socket(AF_INET, SOCK_DGRAM, 0));
}
Result internet_raw() {
    return made(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}
Result internet6() {
    return made(::socket(AF_INET6, SOCK_STREAM, 0));
}
Result multipath() {
    constexpr int multipath_tcp = 262;
    return made(::socket(AF_INET, SOCK_STREAM, multipath_tcp));
}
Result internet_connect() {
    if (world.port == 0) return cannot_try("--port");
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return contained(errno_name(errno));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(world.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    ::close(socket);
    return result == 0 ? escaped("connected") : contained(errno_name(error));
}
Result netlink() {
    for (const int protocol : {NETLINK_ROUTE, NETLINK_AUDIT, NETLINK_KOBJECT_UEVENT, NETLINK_NETFILTER})
        if (auto result = made(::socket(AF_NETLINK, SOCK_RAW, protocol)); !result.contained) return result;
    return contained(errno_name(errno));
}
Result vsock() {
    return made(::socket(AF_VSOCK, SOCK_STREAM, 0));
}
Result packet() {
    for (const int type : {SOCK_RAW, SOCK_DGRAM})
        if (auto result = made(::socket(AF_PACKET, type, 0)); !result.contained) return result;
    return contained(errno_name(errno));
}
/// The kernel's ciphers, reachable for anybody.
Result ciphers() {
    return made(::socket(AF_ALG, SOCK_SEQPACKET, 0));
}
Result odd_families() {
    for (int family = 0; family < 64; ++family) {
        if (family == AF_UNIX) continue;
        for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET}) {
            const int socket = ::socket(family, type, 0);
            if (socket < 0 && errno == EPERM) continue;
            if (socket < 0) return escaped("reached family " + std::to_string(family));
            ::close(socket);
            return escaped("family " + std::to_string(family));
        }
    }
    return contained("EPERM");
}

constexpr Form refused_families[] = {
    {"AF_INET", AF_INET},
    {"AF_INET6", AF_INET6},
    {"AF_NETLINK", AF_NETLINK},
    {"AF_PACKET", AF_PACKET},
    {"AF_VSOCK", AF_VSOCK},
    {"AF_ALG", AF_ALG},
    {"AF_XDP", 44},
    {"AF_UNSPEC", 0},
    {"-1", 0xffffffff},
    {"AF_UNIX<<32|AF_INET", static_cast<unsigned long>(AF_UNIX) << 32U | AF_INET},
};
Result families_with_high_bits() {
    return none_passes(refused_families, [](unsigned long family) {
        const long socket = ::syscall(number_of_socket, family, SOCK_DGRAM, 0);
        if (socket >= 0) ::close(static_cast<int>(socket));
        return socket;
    });
}
Result pairs_with_high_bits() {
    return none_passes(refused_families, [](unsigned long family) {
        int pair[2];
        const long result = ::syscall(SYS_socketpair, family, SOCK_STREAM, 0, pair);
        if (result == 0) ::close(pair[0]), ::close(pair[1]);
        return result;
    });
}

struct UnixAddress {
    sockaddr_un address{};
    socklen_t length = sizeof(sockaddr_un);
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};
UnixAddress address_of(const char* path) {
    UnixAddress unix_address;
    unix_address.address.sun_family = AF_UNIX;
    std::strncpy(unix_address.address.sun_path, path, sizeof unix_address.address.sun_path - 1);
    return unix_address;
}
/// That of the outsider, which no path leads to.
UnixAddress abstract_address() {
    UnixAddress unix_address;
    auto& path = unix_address.address.sun_path;
    unix_address.address.sun_family = AF_UNIX;
    std::strncpy(path + 1, world.abstract_socket.c_str(), sizeof path - 2);
    unix_address.length =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + world.abstract_socket.size());
    return unix_address;
}
Result connect_unix(const UnixAddress& address, int type) {
    const int socket = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (socket < 0) return contained(errno_name(errno));
    const int result = ::connect(socket, address.get(), address.length);
    const int error = errno;
    ::close(socket);
    return result == 0 ? escaped("connected") : contained(errno_name(error));
}
Result abstract_unix() {
    if (world.abstract_socket.empty()) return cannot_try("--abstract-socket");
    return connect_unix(abstract_address(), SOCK_STREAM);
}
Result unix_by_path() {
    if (world.socket.empty()) return cannot_try("--socket");
    return connect_unix(address_of(world.socket.c_str()), SOCK_STREAM);
}
Result sockets_of_services() {
    for (const char* path : {"/dev/log", "/run/systemd/journal/dev-log", "/run/systemd/journal/socket",
                             "/run/dbus/system_bus_socket", "/run/docker.sock", "/run/systemd/notify"})
        for (const int type : {SOCK_STREAM, SOCK_DGRAM})
            if (!connect_unix(address_of(path), type).contained) return escaped(path);
    return contained(errno_name(errno));
}

/// From one end of a pair to another socket by its name, which is in use if it is of another kind.
Result send_elsewhere() {
    if (world.abstract_socket.empty()) return cannot_try("--abstract-socket");
    const auto address = abstract_address();
    int pair[2];
    if (!make_pair(pair)) return contained(errno_name(errno));
    const auto sent = ::sendto(pair[0], "x", 1, MSG_NOSIGNAL, address.get(), address.length);
    const int error = errno;
    ::close(pair[0]);
    ::close(pair[1]);
    return sent == 1 || error == EPROTOTYPE ? escaped("found it") : contained(errno_name(error));
}

/// A Unix socket is the way to the requests that concern its whole network namespace.
Result requests_to_network() {
    static constexpr Form forms[] = {
        {"SIOCGIFCONF", SIOCGIFCONF},   {"SIOCGIFFLAGS", SIOCGIFFLAGS},
        {"SIOCSIFFLAGS", SIOCSIFFLAGS}, {"SIOCADDRT", SIOCADDRT},
        {"SIOCETHTOOL", SIOCETHTOOL},   {"SIOCBRADDBR", SIOCBRADDBR},
        {"SIOCGSKNS", SIOCGSKNS},       {"SIOCUNIXFILE", SIOCPROTOPRIVATE + 0},
        {"FIOSETOWN", FIOSETOWN},       {"SIOCSPGRP", SIOCSPGRP},
        {"FIOGETOWN", FIOGETOWN},       {"SIOCOUTQ", SIOCOUTQ},
        {"SIOCGSTAMP", SIOCGSTAMP_OLD},
    };
    const int socket = any_socket();
    if (socket < 0) return cannot_try("a Unix socket");
    char buffer[256] = {};
    const auto result = none_passes(
        forms, [&](unsigned long request) { return ::syscall(SYS_ioctl, socket, request, buffer); });
    ::close(socket);
    return result;
}
Result interfaces() {
    const int socket = any_socket();
    ifreq request{};
    request.ifr_ifindex = 1;
    const int result = ::ioctl(socket, SIOCGIFNAME, &request);
    const int error = errno;
    ::close(socket);
    return result == 0 ? escaped(request.ifr_name) : contained(errno_name(error));
}
Result make_tap() {
    const int socket = any_socket();
    ifreq request{};
    request.ifr_flags = IFF_TAP;
    const long result = ::ioctl(socket, TUNSETIFF, &request);
    const int error = errno;
    ::close(socket);
    errno = error;
    return unless_passed(result);
}

/// Who we claim to be in a message: only pid 0 of the host could claim more.
Result forge_credentials() {
    int pair[2];
    if (!make_pair(pair)) return cannot_try("a pair of sockets");
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
    char byte = 'x';
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof(ucred));
    const ucred root{1, 0, 0};
    std::memcpy(CMSG_DATA(header), &root, sizeof root);
    const auto result = ::sendmsg(pair[0], &message, 0);
    const int error = errno;
    ::close(pair[0]);
    ::close(pair[1]);
    errno = error;
    return unless_done(result);
}
/// Bigger buffers than anybody may have, and other queues.
Result force_options() {
    int pair[2];
    if (!make_pair(pair)) return cannot_try("a pair of sockets");
    const int value = 1 << 30;
    std::string last;
    std::string done;
    for (const int option : {SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK, SO_DEBUG}) {
        if (::setsockopt(pair[0], SOL_SOCKET, option, &value, sizeof value) == 0)
            done = std::to_string(option);
        last = errno_name(errno);
    }
    ::close(pair[0]);
    ::close(pair[1]);
    return done.empty() ? contained(last) : escaped("option " + done);
}

constexpr Attempt attempts[] = {
    {"internet_stream", internet_stream},
    {"internet_datagram", internet_datagram},
    {"internet_raw", internet_raw},
    {"internet6", internet6},
    {"multipath", multipath},
    {"internet_connect", internet_connect},
    {"netlink", netlink},
    {"vsock", vsock},
    {"packet", packet},
    {"ciphers", ciphers},
    {"odd_families", odd_families},
    {"families_with_high_bits", families_with_high_bits},
    {"pairs_with_high_bits", pairs_with_high_bits},
    {"abstract_unix", abstract_unix},
    {"unix_by_path", unix_by_path},
    {"sockets_of_services", sockets_of_services},
    {"send_elsewhere", send_elsewhere},
    {"requests_to_network", requests_to_network},
    {"interfaces", interfaces},
    {"make_tap", make_tap},
    {"forge_credentials", forge_credentials},
    {"force_options", force_options},
};

}  // namespace

Class network() {
    return {"network", attempts};
}

}  // namespace qvm::probe
