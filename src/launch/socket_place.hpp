// SPDX-License-Identifier: GPL-3.0-or-later
// The place of a socket that QEMU has to bind itself: of a vhost-user netdev it takes no descriptor.
#pragma once
#include <filesystem>
#include <optional>

#include "base/fd.hpp"
#include "launch/jail_uids.hpp"

namespace qvm::launch {

/// What QEMU calls the socket, in the directory that it has for it.
inline constexpr const char* socket_in_place = "socket";

/// Where a jail has the directories, each under a number.
inline constexpr const char* places_in_jail = "/sockets";

/// The directory that is made beside `socket`.
std::filesystem::path directory_for(const std::filesystem::path& socket);

/// A directory in which QEMU can make one socket, until that gets the name it is to have and the directory is
/// removed: from then on nothing can be made in it, whoever has it mounted. The destructor removes what was
/// not given a name.
class SocketPlace {
  public:
    /// As root the directory is made `ids`'. A socket that nobody listens on any more is removed. Throws
    /// SystemError (EADDRINUSE where somebody does).
    SocketPlace(std::filesystem::path socket, const std::optional<HostIds>& ids);
    SocketPlace(const SocketPlace&) = delete;
    SocketPlace& operator=(const SocketPlace&) = delete;
    SocketPlace(SocketPlace&&) = default;
    SocketPlace& operator=(SocketPlace&&) = delete;
    ~SocketPlace();

    /// False while QEMU has not made it. Who may make files in the socket's directory may connect to it: it
    /// becomes the owner's of that directory, and its group's where that may write there. Throws SystemError,
    /// also where QEMU has made anything else.
    bool publish();
    const std::filesystem::path& socket() const { return socket_; }
    /// The directory that QEMU has for it.
    int directory() const { return directory_.get(); }

  private:
    /// False if it is not there any more, or has something else in it.
    bool remove() const;
    void give_to_directory(int made) const;

    std::filesystem::path socket_;
    Fd parent_;
    Fd directory_;  ///< not open: there is none any more
};

}  // namespace qvm::launch
