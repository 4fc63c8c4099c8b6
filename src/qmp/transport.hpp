// SPDX-License-Identifier: GPL-3.0-or-later
// Unix sockets as QMP needs them: paths of any length, descriptors in messages.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace qvm::qmp {

/// The other side has closed both ways, not only its sending side.
bool hung_up(int socket);

/// connect(2), close-on-exec, blocking afterwards; never waits for a listener that is busy (EAGAIN). A path
/// longer than a socket address is reached through a descriptor of its directory. Throws SystemError naming
/// the path.
Fd connect_unix(const std::string& path);

/// socket, bind, listen; mode 0600 from the first moment. Replaces a socket that nobody listens on; throws
/// SystemError (EADDRINUSE) when somebody does or when it is no socket. Long paths as above. Two at the same
/// moment for the same path are the caller's to prevent (it holds a lock).
Fd listen_unix(const std::string& path);

/// Removes a socket that nobody listens on any more, where there is one. Throws as listen_unix() does.
void remove_stale_socket(const std::string& path);

/// sendmsg(2) of as much as goes without blocking, with `fd` (or -1) attached to the first byte; returns the
/// number of bytes taken, 0 for "would block". Throws SystemError.
std::size_t send_some(int socket, std::string_view bytes, int fd);

/// The most one receive_some() takes: having taken less, there was no more to take.
inline constexpr std::size_t receive_chunk = std::size_t{64} << 10U;

/// One recvmsg(2) without blocking into `buffer` (appended); descriptors are close-on-exec and appended to
/// `fds`; what the kernel truncated is closed. Returns false at the end of the stream. Sets `would_block`.
bool receive_some(int socket, std::string& buffer, std::vector<Fd>& fds, bool& would_block);

}  // namespace qvm::qmp
