// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_table.hpp"

#include <algorithm>
#include <array>

namespace qvm::launch {
namespace {

using Words = std::string_view;

constexpr Words block = "blockdev-add blockdev-reopen blockdev-create";
constexpr Words chardev = "chardev-add chardev-change";
constexpr Words device = "device_add qom-set";
constexpr Words object = "object-add qom-set";
/// Commands whose `path` is no place in QEMU's object tree.
constexpr Words makers =
    "blockdev-add blockdev-reopen blockdev-create chardev-add chardev-change object-add netdev_add "
    "device_add "
    "nbd-server-start block-export-add display-update migrate migrate-incoming migrate-recover";

struct MemberRow {
    Words commands;  ///< empty: any
    Words member;
    Meaning meaning;
};

// The first that fits counts: those of one command before those of all.
constexpr std::array member_rows{
    // qapi/block-core.json: BlockdevOptions, BlockdevCreateOptions and the commands on images.
    MemberRow{block, "file", Meaning::Name},
    MemberRow{block, "url", Meaning::Network},
    MemberRow{block, "host", Meaning::Network},
    MemberRow{block, "portal", Meaning::Network},
    MemberRow{block, "conf", Meaning::Path},
    MemberRow{block, "config", Meaning::Path},
    MemberRow{block, "logfile", Meaning::Path},
    MemberRow{block, "export", Meaning::Text},
    MemberRow{block, "backing-file", Meaning::ImagePath},
    MemberRow{"change-backing-file block-stream block-commit", "backing-file", Meaning::ImagePath},
    MemberRow{"blockdev-change-medium", "filename", Meaning::Path},
    MemberRow{"blockdev-snapshot-sync", "snapshot-file", Meaning::Path},
    MemberRow{"drive-mirror drive-backup", "target", Meaning::Path},
    // qapi/block-export.json
    MemberRow{"block-export-add", "mountpoint", Meaning::Path},
    // qapi/char.json: ChardevBackend.
    MemberRow{chardev, "device", Meaning::Path},
    MemberRow{chardev, "in", Meaning::Path},
    MemberRow{chardev, "out", Meaning::Path},
    MemberRow{chardev, "logfile", Meaning::Path},
    MemberRow{"ringbuf-write", "data", Meaning::Text},
    // qapi/net.json: Netdev.
    MemberRow{"netdev_add", "fd", Meaning::Fd},
    MemberRow{"netdev_add", "fds", Meaning::Fd},
    MemberRow{"netdev_add", "vhostfd", Meaning::Fd},
    MemberRow{"netdev_add", "vhostfds", Meaning::Fd},
    MemberRow{"netdev_add", "ifname", Meaning::HostDevice},
    MemberRow{"netdev_add", "devname", Meaning::HostDevice},
    MemberRow{"netdev_add", "br", Meaning::HostDevice},
    MemberRow{"netdev_add", "script", Meaning::Program},
    MemberRow{"netdev_add", "downscript", Meaning::Program},
    MemberRow{"netdev_add", "helper", Meaning::Program},
    MemberRow{"netdev_add", "guestfwd", Meaning::Program},
    MemberRow{"netdev_add", "hostfwd", Meaning::Network},
    MemberRow{"netdev_add", "smb", Meaning::Path},
    MemberRow{"netdev_add", "tftp", Meaning::Path},
    MemberRow{"netdev_add", "vhostdev", Meaning::Path},
    MemberRow{"netdev_add", "listen", Meaning::Network},
    MemberRow{"netdev_add", "connect", Meaning::Network},
    MemberRow{"netdev_add", "mcast", Meaning::Network},
    MemberRow{"netdev_add", "udp", Meaning::Network},
    MemberRow{"netdev_add", "localaddr", Meaning::Network},
    MemberRow{"netdev_add", "bootfile", Meaning::Text},
    // qapi/qom.json: ObjectOptions.
    MemberRow{"object-add", "file", Meaning::Path},
    MemberRow{object, "dir", Meaning::Path},
    MemberRow{"object-add", "mem-path", Meaning::Path},
    MemberRow{object, "evdev", Meaning::HostDevice},
    MemberRow{object, "if", Meaning::HostDevice},
    MemberRow{object, "sev-device", Meaning::HostDevice},
    MemberRow{object, "session-file", Meaning::Path},
    MemberRow{object, "dh-cert-file", Meaning::Path},
    MemberRow{object, "log", Meaning::Path},
    MemberRow{"object-add", "fd", Meaning::Fd},
    MemberRow{"object-add", "data", Meaning::Text},      // secret: may begin with '/', as base64
    MemberRow{"object-add", "identity", Meaning::Text},  // authz-simple: a distinguished name
    MemberRow{"object-add", "match", Meaning::Text},     // authz-list
    // Device properties.
    MemberRow{device, "romfile", Meaning::Firmware},
    MemberRow{device, "host", Meaning::HostDevice},
    MemberRow{device, "sysfsdev", Meaning::HostDevice},
    MemberRow{device, "vhostdev", Meaning::Path},
    MemberRow{device, "evdev", Meaning::HostDevice},
    MemberRow{device, "hostdevice", Meaning::HostDevice},
    MemberRow{device, "hidraw", Meaning::HostDevice},
    MemberRow{device, "rootdir", Meaning::Path},
    MemberRow{device, "file", Meaning::Path},
    MemberRow{device, "kernel", Meaning::Path},
    MemberRow{device, "initrd", Meaning::Path},
    MemberRow{device, "sdrfile", Meaning::Path},
    MemberRow{device, "frudatafile", Meaning::Path},
    MemberRow{device, "db", Meaning::Path},
    MemberRow{device, "vhostfd", Meaning::Fd},
    MemberRow{device, "fd", Meaning::Fd},
    MemberRow{device, "spdm_port", Meaning::Network},
    MemberRow{device, "host_ip", Meaning::Network},
    MemberRow{device, "ibdev", Meaning::HostDevice},
    MemberRow{device, "pcap", Meaning::Path},
    MemberRow{device, "cdat", Meaning::Path},
    // Of the machine.
    MemberRow{"qom-set", "firmware", Meaning::Firmware},
    MemberRow{"qom-set", "dtb", Meaning::Path},
    MemberRow{"qom-set", "dumpdtb", Meaning::Path},
    // qapi/migration.json, qapi/dump.json, qapi/ui.json, qapi/machine.json, qapi/misc.json
    MemberRow{"migrate-set-parameters", "cpr-exec-command", Meaning::Program},
    MemberRow{"dump-guest-memory", "protocol", Meaning::Uri},
    MemberRow{"screendump memsave pmemsave dumpdtb dump-skeys xen-save-devices-state xen-load-devices-state",
              "filename", Meaning::Path},
    MemberRow{"add_client getfd closefd", "fdname", Meaning::Fd},
    MemberRow{"add-fd", "opaque", Meaning::Text},
    MemberRow{"inject-ghes-v2-error", "cper", Meaning::Text},
    MemberRow{"sev-inject-launch-secret", "packet-header", Meaning::Text},
    MemberRow{"sev-inject-launch-secret", "secret", Meaning::Text},
    MemberRow{"qom-set", "path", Meaning::Text},
    MemberRow{makers, "path", Meaning::Path},
    // Whatever the command: also those of a QEMU that is newer than this table.
    MemberRow{"", "filename", Meaning::Path},
    MemberRow{"", "file", Meaning::Path},
    MemberRow{"", "path", Meaning::PathUnlessQom},
    MemberRow{"", "dir", Meaning::Path},
    MemberRow{"", "directory", Meaning::Path},
    MemberRow{"", "mem-path", Meaning::Path},
    MemberRow{"", "logfile", Meaning::Path},
    MemberRow{"", "socket", Meaning::Path},
    MemberRow{"", "backing-file", Meaning::ImagePath},
    MemberRow{"", "snapshot-file", Meaning::Path},
    MemberRow{"", "mountpoint", Meaning::Path},
    MemberRow{"", "sysfsdev", Meaning::HostDevice},
    MemberRow{"", "evdev", Meaning::HostDevice},
    MemberRow{"", "ifname", Meaning::HostDevice},
    MemberRow{"", "uri", Meaning::Uri},
    MemberRow{"", "url", Meaning::Network},
    MemberRow{"", "script", Meaning::Program},
    MemberRow{"", "downscript", Meaning::Program},
    MemberRow{"", "helper", Meaning::Program},
    MemberRow{"", "exec", Meaning::Program},
    MemberRow{"", "command", Meaning::Program},
    MemberRow{"", "password", Meaning::Text},
    MemberRow{"", "description", Meaning::Text},
};

struct ChoiceRow {
    Words commands;  ///< empty: any
    Words member;
    Words value;  ///< "X*": all that begin with X
    Meaning meaning;
};

constexpr std::array choice_rows{
    // qapi/sockets.json: SocketAddress, wherever it stands; the fourth type is "fd".
    ChoiceRow{"", "type", "inet", Meaning::Network},
    ChoiceRow{"", "type", "unix", Meaning::Path},
    ChoiceRow{"", "type", "vsock", Meaning::Network},
    // qapi/migration.json: MigrationAddress.
    ChoiceRow{"", "transport", "exec", Meaning::Program},
    ChoiceRow{"", "transport", "file", Meaning::Path},
    ChoiceRow{"", "transport", "rdma", Meaning::Network},
    // qapi/char.json
    ChoiceRow{chardev, "type", "pty", Meaning::HostDevice},
    ChoiceRow{chardev, "type", "pipe", Meaning::Path},
    ChoiceRow{chardev, "type", "braille", Meaning::HostDevice},
    // qapi/block-core.json
    ChoiceRow{block, "driver", "ssh", Meaning::Network},
    ChoiceRow{block, "driver", "nfs", Meaning::Network},
    ChoiceRow{block, "driver", "gluster", Meaning::Network},
    ChoiceRow{block, "driver", "rbd", Meaning::Network},
    ChoiceRow{block, "driver", "iscsi", Meaning::Network},
    ChoiceRow{block, "driver", "http*", Meaning::Network},
    ChoiceRow{block, "driver", "ftp*", Meaning::Network},
    ChoiceRow{block, "driver", "vvfat", Meaning::Path},
    ChoiceRow{block, "driver", "nvme*", Meaning::HostDevice},
    ChoiceRow{block, "driver", "virtio-blk-*", Meaning::HostDevice},
    // qapi/block-export.json
    ChoiceRow{"block-export-add", "type", "vduse-blk", Meaning::HostDevice},
    // qapi/net.json
    ChoiceRow{"netdev_add", "type", "bridge", Meaning::Program},
    ChoiceRow{"netdev_add", "type", "passt", Meaning::Program},
    ChoiceRow{"netdev_add", "type", "l2tpv3", Meaning::Network},
    ChoiceRow{"netdev_add", "type", "vde", Meaning::HostDevice},
    ChoiceRow{"netdev_add", "type", "netmap", Meaning::HostDevice},
    ChoiceRow{"netdev_add", "type", "af-xdp", Meaning::HostDevice},
    ChoiceRow{"netdev_add", "type", "vmnet-*", Meaning::HostDevice},
    // qapi/qom.json: what reaches the host without naming it.
    ChoiceRow{"object-add", "qom-type", "monitor-*", Meaning::Monitor},
    ChoiceRow{"object-add", "qom-type", "secret_keyring", Meaning::HostDevice},
    ChoiceRow{"object-add", "qom-type", "authz-pam", Meaning::HostDevice},
    ChoiceRow{"object-add", "qom-type", "input-barrier", Meaning::Network},
    ChoiceRow{"object-add", "qom-type", "dbus-vmstate", Meaning::HostDevice},
    ChoiceRow{"object-add", "qom-type", "cryptodev-backend-lkcf", Meaning::HostDevice},
    ChoiceRow{"object-add", "qom-type", "memory-backend-epc", Meaning::HostDevice},
    // Devices that are the host's.
    ChoiceRow{"device_add", "driver", "vfio-*", Meaning::HostDevice},
    ChoiceRow{"device_add", "driver", "usb-host", Meaning::HostDevice},
    ChoiceRow{"device_add", "driver", "usb-mtp", Meaning::Path},
    ChoiceRow{"device_add", "driver", "u2f-*", Meaning::HostDevice},
    ChoiceRow{"device_add", "driver", "ccid-card-emulated", Meaning::HostDevice},
    ChoiceRow{"device_add", "driver", "vhost-scsi*", Meaning::HostDevice},
};

constexpr std::array<Words, 3> questions{"qom-get", "trace-event-get-state", "device-list-properties"};

// hmp-commands.hx, 7.2 to 11.1: what neither changes a thing nor writes one; `i` reads a port.
constexpr std::array<Words, 14> monitor_questions{
    "info", "x", "xp",      "print",   "p",       "help",    "?",
    "sum",  "i", "gpa2hva", "gpa2hpa", "gva2gpa", "qom-get", "qom-list",
};

bool has_word(Words words, Words word) {
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == word) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

bool fits(Words pattern, Words value) {
    if (pattern.ends_with('*')) return value.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == value;
}

}  // namespace

const Meaning* meaning_of(std::string_view command, std::string_view member) {
    const auto found = std::ranges::find_if(member_rows, [&](const MemberRow& row) {
        return row.member == member && (row.commands.empty() || has_word(row.commands, command));
    });
    return found == member_rows.end() ? nullptr : &found->meaning;
}

const Meaning* meaning_of_choice(std::string_view command, std::string_view member, std::string_view value) {
    const auto found = std::ranges::find_if(choice_rows, [&](const ChoiceRow& row) {
        return row.member == member && fits(row.value, value) &&
               (row.commands.empty() || has_word(row.commands, command));
    });
    return found == choice_rows.end() ? nullptr : &found->meaning;
}

bool is_question(std::string_view command) {
    return command.starts_with("query-") || command.starts_with("x-query-") ||
           command.starts_with("qom-list") || std::ranges::find(questions, command) != questions.end();
}

bool is_monitor_question(std::string_view word) {
    return std::ranges::find(monitor_questions, word) != monitor_questions.end();
}

}  // namespace qvm::launch
