// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/tcp_address.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm {
namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

/// Size 0: it is no address.
SocketAddress socket_address(const TcpAddress& address) {
    SocketAddress result;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(address.port);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(address.port);
    if (::inet_pton(AF_INET, address.host.c_str(), &four.sin_addr) == 1) {
        std::memcpy(&result.storage, &four, sizeof(four));
        result.size = sizeof(four);
    } else if (::inet_pton(AF_INET6, address.host.c_str(), &six.sin6_addr) == 1) {
        std::memcpy(&result.storage, &six, sizeof(six));
        result.size = sizeof(six);
    }
    return result;
}

}  // namespace

bool TcpAddress::is_loopback() const {
    return host.starts_with("127.") || host == "::1";
}

std::string TcpAddress::to_string() const {
    return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                               : fmt::format("[{}]:{}", host, port);
}

std::optional<TcpAddress> parse_tcp_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto digits = text.substr(colon + 1);
    auto host = text.substr(0, colon);
    const bool six = host.starts_with('[') && host.ends_with(']');
    if (six) host = host.substr(1, host.size() - 2);
    TcpAddress address{std::string(host), 0};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
    if (error != std::errc() || end != digits.data() + digits.size() || address.port == 0)
        return std::nullopt;
    const auto parsed = socket_address(address);
    if (parsed.size == 0 || six != (parsed.storage.ss_family == AF_INET6)) return std::nullopt;
    return address;
}

Fd listen_tcp(const TcpAddress& address) {
    const auto action = fmt::format("listen on {}", address.to_string());
    const auto fail = [&] {
        throw SystemError(action, errno,
                          errno == EADDRINUSE ? "another program has this port: `ss -ltnp` tells which" : "",
                          ExitCode::HostCannot);
    };
    const auto where = socket_address(address);
    Fd socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) fail();
    // SAFETY: as bind(2) wants it; the storage is of a size and alignment for any of them.
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.size) != 0) fail();
    if (::listen(socket.get(), SOMAXCONN) != 0) fail();
    return socket;
}

Fd connect_tcp(const TcpAddress& address, std::chrono::milliseconds timeout) {
    const auto where = socket_address(address);
    Fd socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int error = socket ? 0 : errno;
    // SAFETY: as above.
    if (error == 0 &&
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&where.storage), where.size) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        pollfd ready{socket.get(), POLLOUT, 0};
        socklen_t size = sizeof(error);
        error = ETIMEDOUT;
        if (::poll(&ready, 1, static_cast<int>(timeout.count())) == 1)
            ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) throw SystemError(fmt::format("connect to {}", address.to_string()), error);
    return socket;
}

}  // namespace qvm
