// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/host_use_rows.hpp"

#include <algorithm>

namespace qvm::config::host_use {
namespace {

/// In a MemberPath: any element of a list.
constexpr std::string_view element = "[]";

constexpr std::string_view chardev_advice =
    "make the socket a [host.X] with kind = \"socket\", and say addr = { type = \"fd\", data = { str = "
    "\"@X\" } }";
constexpr std::string_view netdev_advice =
    "make the socket a [host.X] with kind = \"socket\", and say addr = { type = \"fd\", str = \"@X\" }";
constexpr std::string_view server_advice =
    "make the socket a [host.X] with kind = \"socket\" and mode = \"connect\", and say server = { type = "
    "\"fd\", "
    "str = \"@X\" }";
constexpr std::string_view command_advice =
    "make the socket a [host.X] with kind = \"socket\", and say { type = \"fd\", str = \"@X\" }";
constexpr std::string_view sockets = "socket process";

// By what each member is opened with in QEMU's source: qemu_open() takes /dev/fdset/N, monitor_fd_param() a
// name given by getfd, plain open() neither.
constexpr std::array rows{
    Row{Place::Blockdev, "file", {"filename"}, Way::Fdset, Reach::ByNode, "file seed"},
    Row{Place::Blockdev, "host_device", {"filename"}, Way::Fdset, Reach::ByNode, "file"},
    Row{Place::Blockdev, "host_cdrom", {"filename"}, Way::Fdset, Reach::ByNode, "file"},
    Row{Place::Blockdev, "blkdebug", {"config"}, Way::Copy},
    Row{Place::Blockdev, "nbd", {"server", "str"}, Way::Getfd, Reach::ReadWrite, sockets},
    Row{Place::Blockdev, "nbd", {"server", "path"}, Way::Refused, Reach::ReadWrite, {}, server_advice},
    Row{Place::Blockdev, "nfs", {"path"}, Way::Remote},
    Row{Place::Blockdev, "ssh", {"path"}, Way::Remote},
    Row{Place::Blockdev, "gluster", {"path"}, Way::Remote},
    Row{Place::Blockdev, "vvfat", {"dir"}, Way::Refused},
    Row{Place::Blockdev, "rbd", {"conf"}, Way::Refused},
    Row{Place::Chardev, "file", {"backend", "data", "out"}, Way::Fdset, Reach::WriteOnly, "file"},
    Row{Place::Chardev, "file", {"backend", "data", "in"}, Way::Fdset, Reach::ReadOnly, "file"},
    Row{Place::Chardev, "serial", {"backend", "data", "device"}, Way::Fdset, Reach::ReadWrite, "file"},
    Row{Place::Chardev, "parallel", {"backend", "data", "device"}, Way::Fdset, Reach::ReadWrite, "file"},
    Row{Place::Chardev, "pipe", {"backend", "data", "device"}, Way::Refused},
    Row{Place::Chardev,
        "socket",
        {"backend", "data", "addr", "data", "str"},
        Way::Getfd,
        Reach::ReadWrite,
        sockets},
    Row{Place::Chardev,
        "socket",
        {"backend", "data", "addr", "data", "path"},
        Way::Socket,
        Reach::ReadWrite,
        {},
        chardev_advice},
    Row{Place::Chardev, "", {"backend", "data", "logfile"}, Way::Fdset, Reach::WriteOnly, "file"},
    Row{Place::Netdev, "tap", {"fd"}, Way::Getfd, Reach::ReadWrite, "tap"},
    Row{Place::Netdev, "tap", {"fds"}, Way::Getfd, Reach::ReadWrite, "tap"},
    Row{Place::Netdev, "tap", {"vhostfd"}, Way::Getfd, Reach::ReadWrite, "file"},
    Row{Place::Netdev, "tap", {"vhostfds"}, Way::Getfd, Reach::ReadWrite, "file"},
    Row{Place::Netdev, "vhost-vdpa", {"vhostdev"}, Way::Fdset, Reach::ReadWrite, "file"},
    Row{Place::Netdev, "vhost-vdpa", {"vhostfd"}, Way::Getfd, Reach::ReadWrite, "file"},
    Row{Place::Netdev, "stream", {"addr", "str"}, Way::Getfd, Reach::ReadWrite, sockets},
    Row{Place::Netdev, "stream", {"addr", "path"}, Way::Refused, Reach::ReadWrite, {}, netdev_advice},
    Row{Place::Netdev, "dgram", {"local", "str"}, Way::Getfd, Reach::ReadWrite, sockets},
    Row{Place::Netdev, "dgram", {"local", "path"}, Way::Refused},
    Row{Place::Netdev, "dgram", {"remote", "path"}, Way::Refused},
    Row{Place::Netdev, "socket", {"fd"}, Way::Getfd, Reach::ReadWrite, sockets},
    Row{Place::Audiodev,
        "wav",
        {"path"},
        Way::Refused,
        Reach::ReadWrite,
        {},
        "QEMU opens it by a path; driver = \"none\" lets the guest play, too"},
    Row{Place::Object, "secret", {"file"}, Way::Copy},
    Row{Place::Object, "secret", {"data"}, Way::Text, Reach::ReadOnly, "secret"},
    Row{Place::Object, "authz-list-file", {"filename"}, Way::Copy},
    Row{Place::Object, "rng-random", {"filename"}, Way::Fdset, Reach::ReadOnly, "file"},
    Row{Place::Object, "iommufd", {"fd"}, Way::Getfd, Reach::ReadWrite, "file"},
    Row{Place::Object,
        "memory-backend-file",
        {"mem-path"},
        Way::Refused,
        Reach::ReadWrite,
        {},
        "memory-backend-memfd shares memory without a path (hugetlb = true for huge pages)"},
    Row{Place::Object, "tls-creds-x509", {"dir"}, Way::Refused},
    Row{Place::Object, "tls-creds-psk", {"dir"}, Way::Refused},
    Row{Place::Object, "tls-creds-anon", {"dir"}, Way::Refused},
    Row{Place::Object, "pr-manager-helper", {"path"}, Way::Refused},
    Row{Place::Object, "filter-dump", {"file"}, Way::Refused},
    Row{Place::Object, "input-linux", {"evdev"}, Way::Refused},
    Row{Place::Device, "loader", {"file"}, Way::Copy},
    Row{Place::Device, "guest-loader", {"kernel"}, Way::Copy},
    Row{Place::Device, "guest-loader", {"initrd"}, Way::Copy},
    Row{Place::Device, "usb-host", {"hostdevice"}, Way::Fdset, Reach::ReadWrite, "usb file"},
    Row{Place::Device, "", {"romfile"}, Way::Firmware},
    Row{Place::Device, "", {"vhostfd"}, Way::Getfd, Reach::ReadWrite, "file"},
    Row{Place::Machine, "", {"firmware"}, Way::Firmware},
    Row{Place::Machine, "", {"kernel"}, Way::Copy},
    Row{Place::Machine, "", {"initrd"}, Way::Copy},
    Row{Place::Machine, "", {"dtb"}, Way::Copy},
    Row{Place::Machine, "", {"dumpdtb"}, Way::Refused},
    Row{Place::Option, "fw_cfg", {"file"}, Way::Copy},
    Row{Place::Option, "acpi", {"file"}, Way::Copy},
    Row{Place::Option, "acpi", {"data"}, Way::Copy},
    Row{Place::Option, "smbios", {"file"}, Way::Copy},
    Row{Place::Option, "boot", {"splash"}, Way::Copy},
    Row{Place::Command,
        "display-update",
        {"addresses", element, "str"},
        Way::Getfd,
        Reach::ReadWrite,
        "socket"},
    Row{Place::Command,
        "display-update",
        {"addresses", element, "path"},
        Way::Refused,
        Reach::ReadWrite,
        {},
        command_advice},
    Row{Place::Command, "set_password", {"password"}, Way::Text, Reach::ReadOnly, "secret"},
};

}  // namespace

const Row* row_of(Place place, std::string_view driver, std::span<const std::string> member) {
    const auto fits = [&](const Row& row) {
        if (row.place != place || (!row.driver.empty() && row.driver != driver)) return false;
        const auto length =
            static_cast<std::size_t>(std::ranges::count_if(row.member, [](auto m) { return !m.empty(); }));
        const auto same = [](const std::string& part, std::string_view in_row) {
            const bool number = part.find_first_not_of("0123456789") == std::string::npos;
            return in_row == element ? number : part == in_row;
        };
        return length == member.size() && std::equal(member.begin(), member.end(), row.member.begin(), same);
    };
    const auto found = std::ranges::find_if(rows, fits);
    return found == rows.end() ? nullptr : &*found;
}

}  // namespace qvm::config::host_use
