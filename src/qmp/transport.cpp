// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/transport.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"

namespace qvm::qmp {
namespace {

constexpr std::size_t descriptors_at_once = 16;

std::string quoted(const std::string& path) {
    return "'" + path + "'";
}

/// A socket address for a path of any length: sun_path takes 107 bytes, so a longer one is named through an
/// open descriptor of its directory, which lives as long as this.
class Address {
  public:
    Address(const std::string& path, const std::string& action) {
        address_.sun_family = AF_UNIX;
        if (path.empty()) throw SystemError(action, ENOENT);
        if (path.find('\0') != std::string::npos) throw SystemError(action, EINVAL);
        const std::string name =
            path.size() < sizeof(address_.sun_path) ? path : through_directory(path, action);
        std::copy(name.begin(), name.end(), std::begin(address_.sun_path));
    }

    const sockaddr* get() const {
        // SAFETY: the sockets API takes every address family through sockaddr.
        return reinterpret_cast<const sockaddr*>(&address_);
    }
    static socklen_t size() { return sizeof(sockaddr_un); }
    const char* path() const { return std::data(address_.sun_path); }

  private:
    std::string through_directory(const std::string& path, const std::string& action) {
        const auto slash = path.rfind('/');
        const std::string name = path.substr(slash + 1);  // npos + 1 is 0: all of it
        const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
        directory_ = Fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!directory_) throw_errno(action);
        const std::string folder = fmt::format("/proc/self/fd/{}", directory_.get());
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0) {
            throw SystemError(
                action, ENAMETOOLONG,
                "a socket's path of more than 107 bytes needs /proc, which is not mounted here");
        }
        std::string result = folder + "/" + name;
        if (result.size() >= sizeof(address_.sun_path)) {
            throw SystemError(action, ENAMETOOLONG, "give the socket a file name of at most 80 bytes");
        }
        return result;
    }

    Fd directory_;
    sockaddr_un address_{};
};

Fd make_socket(const std::string& action) {
    Fd result(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!result) throw_errno(action);
    return result;
}

int connect_to(const Fd& socket, const Address& address) {
    for (;;) {
        if (::connect(socket.get(), address.get(), Address::size()) == 0) return 0;
        if (errno != EINTR) return errno;
    }
}

std::string advice_for(int error) {
    switch (error) {
        case ENOENT:
            return "there is no such socket: the process that makes it does not run";
        case ECONNREFUSED:
            return "nobody listens there: the process that made the socket has ended";
        case EAGAIN:
            return "other clients wait there already, and the one it serves has not left";
        default:
            return {};
    }
}

/// Removes what is left of a listener that has gone; anything else stays, and is an error.
void remove_stale(const Address& address, const std::string& action) {
    struct stat status {};
    if (::lstat(address.path(), &status) != 0) {
        if (errno == ENOENT) return;
        throw_errno(action);
    }
    if (!S_ISSOCK(status.st_mode)) {
        throw SystemError(action, EADDRINUSE, "a file that is no socket has this name: move it away");
    }
    const Fd probe = make_socket(action);
    const int error = connect_to(probe, address);
    if (error == 0 || error == EAGAIN) {
        throw SystemError(action, EADDRINUSE, "another process listens on it");
    }
    if (error != ECONNREFUSED && error != ENOENT) throw SystemError(action, error);
    if (::unlink(address.path()) != 0 && errno != ENOENT) throw_errno(action);
}

/// Reads the descriptors out of a control buffer.
void take_descriptors(const msghdr& message, std::vector<Fd>& fds) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         // SAFETY: CMSG_NXTHDR of glibc takes a non-const msghdr and does not change it.
         part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            fds.emplace_back(fd);
        }
    }
}

}  // namespace

bool hung_up(int socket) {
    pollfd watched{socket, 0, 0};
    return ::poll(&watched, 1, 0) == 1 && (watched.revents & (POLLHUP | POLLERR)) != 0;
}

Fd connect_unix(const std::string& path) {
    const std::string action = "connect to " + quoted(path);
    const Address address(path, action);
    Fd socket = make_socket(action);
    const int error = connect_to(socket, address);
    if (error != 0) throw SystemError(action, error, advice_for(error));
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) throw_errno(action);
    return socket;
}

Fd listen_unix(const std::string& path) {
    const std::string action = "listen on " + quoted(path);
    const Address address(path, action);
    Fd socket = make_socket(action);
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) throw_errno(action);
    // bind(2) gives the file the mode of the socket's own inode: unlike chmod afterwards, it is never wider.
    if (::fchmod(socket.get(), 0600) != 0) throw_errno(action);
    if (::bind(socket.get(), address.get(), Address::size()) != 0) {
        if (errno != EADDRINUSE) throw_errno(action);
        remove_stale(address, action);
        if (::bind(socket.get(), address.get(), Address::size()) != 0) throw_errno(action);
    }
    if (::listen(socket.get(), SOMAXCONN) != 0) throw_errno(action);
    return socket;
}

void remove_stale_socket(const std::string& path) {
    const std::string action = "listen on " + quoted(path);
    remove_stale(Address(path, action), action);
}

std::size_t send_some(int socket, std::string_view bytes, int fd) {
    if (bytes.empty()) return 0;
    // SAFETY: sendmsg(2) does not write through iov_base.
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (fd >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
    }
    for (;;) {
        const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (errno != EINTR) throw_errno("write to the socket");
    }
}

bool receive_some(int socket, std::string& buffer, std::vector<Fd>& fds, bool& would_block) {
    would_block = false;
    std::array<char, receive_chunk> bytes;  // not cleared: most messages are short
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(descriptors_at_once * sizeof(int))> control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    for (;;) {
        const ssize_t got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            would_block = true;
            return true;
        }
        if (got < 0) throw_errno("read from the socket");
        // More descriptors than fit are closed by the kernel itself (MSG_CTRUNC).
        take_descriptors(message, fds);
        buffer.append(bytes.data(), static_cast<std::size_t>(got));
        return got > 0;
    }
}

}  // namespace qvm::qmp
