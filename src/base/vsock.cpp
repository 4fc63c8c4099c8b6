// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/vsock.hpp"

#include <cerrno>
#include <linux/vm_sockets.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm {

Fd connect_vsock(std::uint32_t cid, std::uint32_t port) {
    const auto action = fmt::format("connect to port {} of the guest with the vsock address {}", port, cid);
    Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw SystemError(action, errno);
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw SystemError(action, errno);
    return socket;
}

}  // namespace qvm
