// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/netlink.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace qvm::launch {
namespace {

/// A message about one interface, as long as it grows.
class Message {
  public:
    Message(std::uint16_t type, std::uint16_t flags, int index) {
        header_.nlmsg_type = type;
        header_.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
        ifinfomsg info{};
        info.ifi_family = AF_UNSPEC;
        info.ifi_index = index;
        append(&info, sizeof info);
    }

    void put(std::uint16_t type, const void* data, std::size_t size) {
        const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
        append(&attribute, sizeof attribute);
        append(data, size);
    }
    void put(std::uint16_t type, const std::string& text) { put(type, text.c_str(), text.size() + 1); }
    template <class Number>
    void put_number(std::uint16_t type, Number number) {
        put(type, &number, sizeof number);
    }
    /// What is put until end() is inside of it.
    std::size_t begin(std::uint16_t type) {
        const auto at = body_.size();
        put(type, nullptr, 0);
        return at;
    }
    void end(std::size_t begun) {
        const auto length = static_cast<std::uint16_t>(body_.size() - begun);
        std::memcpy(body_.data() + begun, &length, sizeof length);
    }

    /// 0, or an errno value.
    int send() {
        const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        if (!socket) return errno;
        header_.nlmsg_len = static_cast<std::uint32_t>(sizeof header_ + body_.size());
        std::string bytes(reinterpret_cast<const char*>(&header_), sizeof header_);
        bytes += body_;
        sockaddr_nl kernel{};
        kernel.nl_family = AF_NETLINK;
        if (::sendto(socket.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                     sizeof kernel) < 0)
            return errno;
        std::array<char, 8192> answer{};
        const auto got = ::recv(socket.get(), answer.data(), answer.size(), 0);
        if (got < 0) return errno;
        nlmsghdr header{};
        nlmsgerr error{};
        if (static_cast<std::size_t>(got) < sizeof header + sizeof error.error) return EPROTO;
        std::memcpy(&header, answer.data(), sizeof header);
        std::memcpy(&error.error, answer.data() + sizeof header, sizeof error.error);
        return header.nlmsg_type == NLMSG_ERROR ? -error.error : EPROTO;
    }

  private:
    /// Everything begins at a multiple of four.
    void append(const void* data, std::size_t size) {
        if (size != 0) body_.append(static_cast<const char*>(data), size);
        body_.resize(NLMSG_ALIGN(body_.size()));
    }

    nlmsghdr header_{};
    std::string body_;
};

std::array<unsigned char, 6> bytes_of(const std::string& mac) {
    std::array<unsigned, 6> read{};
    std::sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x", &read[0], &read[1], &read[2], &read[3], &read[4],
                &read[5]);
    std::array<unsigned char, 6> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(read[i]);
    return bytes;
}

}  // namespace

void make_macvtap(const std::string& name, int parent, const std::string& mac) {
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    message.put_number(IFLA_LINK, parent);
    message.put(IFLA_IFNAME, name);
    const auto address = bytes_of(mac);
    message.put(IFLA_ADDRESS, address.data(), address.size());
    const auto info = message.begin(IFLA_LINKINFO);
    message.put(IFLA_INFO_KIND, "macvtap");
    const auto data = message.begin(IFLA_INFO_DATA);
    message.put_number(IFLA_MACVLAN_MODE, std::uint32_t{MACVLAN_MODE_BRIDGE});
    message.end(data);
    message.end(info);
    const int error = message.send();
    if (error != 0)
        throw SystemError("make a macvtap", error,
                          error == EOPNOTSUPP ? "`modprobe macvtap` as root, if the kernel has it" : "",
                          ExitCode::HostCannot);
}

void move_interface(const std::string& name, int index, int network) {
    Message message(RTM_NEWLINK, 0, index);
    message.put_number(IFLA_NET_NS_FD, network);
    if (const int error = message.send(); error != 0)
        throw SystemError(fmt::format("move the interface '{}' to a network of its own", name), error, {},
                          ExitCode::HostCannot);
}

void remove_interface(int index) noexcept {
    try {
        Message(RTM_DELLINK, 0, index).send();
    } catch (const std::exception&) {
    }
}

}  // namespace qvm::launch
