// SPDX-License-Identifier: GPL-3.0-or-later
// The members by which something of this host gets to QEMU, as data; only for find_host_uses().
#pragma once
#include <array>
#include <span>
#include <string>
#include <string_view>

namespace qvm::config::host_use {

/// How a member's value gets in.
enum class Way {
    Fdset,
    Getfd,  ///< takes "@X" only
    Text,   ///< text, or "@X"
    Copy,
    Socket,    ///< a Unix socket that QEMU connects to; it gets in for a nic of vhost-user, else as Refused
    Firmware,  ///< a path is copied; a plain name is looked up by QEMU among its own files
    Refused,   ///< has no way in
    Remote,    ///< looks like a path, but is none of this host
};

/// ByNode: as the block node is opened.
enum class Reach { ReadOnly, ReadWrite, WriteOnly, ByNode };

/// Where a table of members belongs to.
enum class Place { Object, Chardev, Blockdev, Netdev, Audiodev, Device, Machine, Option, Command };

using MemberPath = std::array<std::string_view, 5>;

struct Row {
    Place place;
    std::string_view driver;  ///< empty: any
    MemberPath member;        ///< within its resource, of a blockdev within its node
    Way way;
    Reach reach = Reach::ReadOnly;
    std::string_view hosts = {};   ///< the kinds of [host.X] that "@X" may name
    std::string_view advice = {};  ///< the way out of Refused and Socket
};

/// Null for a member that is nothing of the host's. `member`: within its resource, of a blockdev within its
/// node.
const Row* row_of(Place place, std::string_view driver, std::span<const std::string> member);

}  // namespace qvm::config::host_use
