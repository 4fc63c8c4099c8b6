// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/key_docs_parts.hpp"

namespace qvm::config::docs {
namespace {

constexpr std::string_view throttled =
    "throttle.gold = { iops = { total = 20_000, total-max = 40_000 } }\n"
    "disk.root = { file = \"root.qcow2\", throttle = \"gold\" }";
constexpr std::string_view directions =
    "[throttle.gold.iops]\nread = 9_000\nread-max = 10_000\nwrite = 500\nwrite-max = 600\n[disk]\n"
    "root = { file = \"root.qcow2\", throttle = \"gold\" }";
constexpr std::string_view throttled_bytes =
    "throttle.gold = { bytes = { total = \"400M\", total-max = \"1G\" } }\n"
    "disk.root = { file = \"root.qcow2\", throttle = \"gold\" }";
constexpr std::string_view directions_bytes =
    "[throttle.gold.bytes]\nread = \"1G\"\nread-max = \"2G\"\nwrite = \"90M\"\nwrite-max = \"1G\"\n[disk]\n"
    "root = { file = \"root.qcow2\", throttle = \"gold\" }";
constexpr std::string_view encrypted =
    "secret.vault.file = \"vault.key\"\n"
    "disk.root = { file = \"root.qcow2\", encrypt = { secret = \"vault\" } }";

constexpr auto disks = std::to_array<KeyDoc>({
    {"disk", "A disk, on a file or a block device of the host.", "",
     "blockdev X (the format) on X.file (the file), X.thr over it if there is a throttle, and device X", "",
     "disk.root = { file = \"root.qcow2\", boot = 1 }"},
    {"disk.file",
     "The image, or a block device below /dev. It has to be there, unless size tells how large it is to be "
     "made, or a base what it is to lie over.",
     "",
     "blockdev X.file: filename, opened by qvm and passed as a descriptor; driver host_device for a path "
     "below /dev, else file",
     replug, "disk.root.file = \"root.qcow2\""},
    {"disk.base",
     "An image that the disk begins as, and that is never written to: what the guest writes goes to an image "
     "over it, which qvm makes once. That one is file, or root.qcow2 in the directory disks of the VM's "
     "state.",
     "", "blockdev X (qcow2), whose backing is X.base on X.base.file; the keys create of blockdev X", replug,
     "disk.root = { base = \"debian-13.qcow2\", size = \"20G\" }"},
    {"disk.base-format", "The format of base, as format is of file.", "by the suffix of base",
     "blockdev X.base: driver", replug, "disk.root = { base = \"debian-13.img\", base-format = \"qcow2\" }"},
    {"disk.size",
     "How large the disk is: an image that is not there is made so large, once (raw and qcow2 only), and a "
     "smaller one grows; a larger one is an error. An image that the VM has had and that is gone is not made "
     "again. Not for vmdk and vhdx, not on the bus nvme, and not for a read-only disk.",
     "as large as the image",
     "grow-to and create of the node: block_resize, after the start or while the VM runs",
     "while the VM runs, but never smaller", "disk.root = { file = \"root.qcow2\", size = \"20G\" }"},
    {"disk.ephemeral",
     "Whether what the guest writes is forgotten when the VM ends. The image, file or base, is only read.",
     "false", "blockdev X (qcow2), made at each start, over X.base", replug,
     "disk.root = { file = \"root.qcow2\", ephemeral = true }"},
    {"disk.format",
     "QEMU's name of the image's format, such as raw or qcow2. What is in the file is never asked, because a "
     "guest can have written it.",
     "by the file's suffix: .qcow2, .raw, .iso, .vmdk or .vhdx", "blockdev X: driver", replug,
     "disk.root = { file = \"root.img\", format = \"raw\" }"},
    {"disk.bus",
     "How the guest sees the disk. SCSI disks with the same iothread and queues share a controller.",
     "virtio", "device X: driver virtio-blk-pci, scsi-hd, nvme, ide-hd or usb-storage", replug,
     "disk.root = { file = \"root.qcow2\", bus = \"scsi\" }"},
    {"disk.read-only", "Whether the guest cannot write to the disk. Not on the bus sata.", "false",
     "blockdev X: read-only", replug, "disk.root = { file = \"root.qcow2\", read-only = true }"},
    {"disk.cache",
     "How the host caches what is on the disk. none and directsync go past the host's page cache; "
     "writethrough and directsync have every write on the medium before it is answered; unsafe ignores the "
     "guest's flushes.",
     "writeback, as QEMU has it",
     "blockdev X: cache.direct (none, directsync) and cache.no-flush (unsafe); device X: write-cache, off "
     "for writethrough and directsync",
     "while the VM runs between writeback and unsafe; else by replugging (qvm apply --replug)",
     "disk.root = { file = \"root.qcow2\", cache = \"none\" }"},
    {"disk.aio",
     "How QEMU reads and writes the file. native needs cache = \"none\" or \"directsync\", io_uring needs "
     "jail.io-uring = true.",
     "threads, as QEMU has it", "blockdev X.file: aio", replug,
     "disk.root = { file = \"root.qcow2\", cache = \"none\", aio = \"native\" }"},
    {"disk.discard",
     "Whether space that the guest discards becomes free in the file. true is unmap, false is ignore.",
     "ignore, as QEMU has it", "blockdev X and X.thr: discard", live,
     "disk.root = { file = \"root.qcow2\", discard = true }"},
    {"disk.iothread", "The id of the [iothread.X] that works for the disk. Buses virtio and scsi only.",
     "QEMU's main thread", "device X, or its scsi controller: iothread", replug,
     "iothread.io0 = {}\ndisk.root = { file = \"root.qcow2\", iothread = \"io0\" }"},
    {"disk.queues", "The number of the disk's queues. Buses virtio and scsi only.", qemus_own,
     "device X: num-queues, or its scsi controller: num_queues", replug,
     "disk.root = { file = \"root.qcow2\", queues = 4 }"},
    {"disk.serial", "The serial number that the guest sees.", "none; for nvme the disk's id",
     "device X: serial", replug, "disk.root = { file = \"root.qcow2\", serial = \"0123\" }"},
    {"disk.boot", "The place in the firmware's boot order, lowest first. No two devices have the same.",
     "none", "device X: bootindex", live, "disk.root = { file = \"root.qcow2\", boot = 1 }"},
    {"disk.share-rw", "Whether other disks may write to the same file.", "false", "device X: share-rw",
     replug, "disk.root = { file = \"root.qcow2\", share-rw = true }"},
    {"disk.throttle",
     "The id of a [throttle.X]: its limits hold for this disk and all others that name it, together.", "none",
     "blockdev X.thr, of the driver throttle, over X",
     "while the VM runs, on the buses virtio and scsi; else by replugging (qvm apply --replug)", throttled},
    {"disk.encrypt",
     "What is in the file is encrypted (LUKS): the whole of a raw image, or what a qcow2 image holds.",
     "not encrypted", "blockdev X: driver luks with key-secret (raw), or encrypt (qcow2)", replug, encrypted},
    {"disk.encrypt.format", "How it is encrypted; there is one way.", "luks",
     "blockdev X: driver luks (raw), or encrypt.format (qcow2)", replug,
     "secret.vault.file = \"vault.key\"\n"
     "[disk.root]\nfile = \"root.raw\"\nencrypt = { format = \"luks\", secret = \"vault\" }"},
    {"disk.encrypt.secret", "The id of the [secret.X] that is the key. It has to be said.", "",
     "blockdev X: key-secret (raw), or encrypt.key-secret (qcow2)", replug, encrypted},
    {"disk.blockdev",
     "Overrides: members of the block node, merged into what qvm makes, as deep as QEMU's own go. With a "
     "driver the disk needs no file. `qvm explain blockdev.DRIVER` tells the members.",
     "", "blockdev X", "", "[disk.root]\nfile = \"root.qcow2\"\nblockdev = { l2-cache-size = \"8M\" }"},
    {"disk.device",
     "Overrides: properties of the device, merged into what qvm makes. `qvm explain DRIVER` tells them, for "
     "example of virtio-blk-pci.",
     "", "device X", "", "disk.root = { file = \"root.qcow2\", device = { queue-size = 256 } }"},
    {"cdrom", "A CD drive.", "",
     "device X (ide-cd or scsi-cd); with a file blockdev X (driver raw, read-only) on X.file", "",
     "cdrom.install = { file = \"debian.iso\", boot = 2 }"},
    {"cdrom.file", "The medium: an image, or a CD drive below /dev.", "an empty drive",
     "blockdev X on X.file, which is the drive of device X", live, "cdrom.install.file = \"debian.iso\""},
    {"cdrom.bus",
     "How the guest sees the drive. On sata a new drive waits for the next start, and the medium changes "
     "while the VM runs.",
     "sata; scsi on the machine microvm", "device X: driver ide-cd or scsi-cd", replug,
     "cdrom.install = { file = \"debian.iso\", bus = \"scsi\" }"},
    {"cdrom.boot", "The place in the firmware's boot order, lowest first.", "none", "device X: bootindex",
     live, "cdrom.install = { file = \"debian.iso\", boot = 1 }"},
    {"cloud-init",
     "A small disk that tells cloud-init in the guest, at its first boot, who the machine is and who may log "
     "in. qvm makes it in memory; images of distributions for clouds have cloud-init.",
     "", "host resource, blockdev and device cloud-init: a read-only disk with the label CIDATA", "",
     "cloud-init = { user = \"me\", ssh-keys = [\"~/.ssh/id_ed25519.pub\"] }"},
    {"cloud-init.user",
     "The name of the image's own user, the one with sudo, in place of the distribution's (debian, ubuntu, "
     "..).",
     "the distribution's", "host cloud-init: user", replug, "cloud-init.user = \"me\""},
    {"cloud-init.ssh-keys", "Public keys that may log in as that user: files, or the keys themselves.",
     "none", "host cloud-init: ssh-keys", replug, "cloud-init.ssh-keys = [\"~/.ssh/id_ed25519.pub\"]"},
    {"cloud-init.hostname", "The name that the guest gives itself.", "the VM's name",
     "host cloud-init: hostname", replug, "cloud-init.hostname = \"web.example.org\""},
    {"cloud-init.user-data",
     "A file with user-data of your own: #cloud-config, or a script. What it says goes before user and "
     "ssh-keys, which are vendor-data then.",
     "none", "host cloud-init: user-data", replug, "cloud-init.user-data = \"user-data.yaml\""},
    {"cloud-init.user-data-text", "The same as text.", "none", "host cloud-init: user-data-text", replug,
     "[cloud-init]\nuser-data-text = \"\"\"\n#cloud-config\npackages: [vim]\n\"\"\""},
    {"cloud-init.network-config", "A file that tells cloud-init how to set up the network.",
     "DHCP on the first nic, as cloud-init has it", "host cloud-init: network-config", replug,
     "cloud-init.network-config = \"network.yaml\""},
    {"cloud-init.instance-id",
     "What cloud-init knows the machine by. With another one it takes an image that has booted already for a "
     "new machine, and does all again.",
     "the VM's uuid", "host cloud-init: instance-id", replug, "cloud-init.instance-id = \"web-2\""},
    {"iothread",
     "A thread for disks, with the properties of QEMU's object iothread. `qvm explain object.iothread` tells "
     "them.",
     "", "object X: qom-type iothread", "while the VM runs, what QEMU can set (poll-max-ns and the like)",
     "iothread.io0 = { poll-max-ns = 32768 }\ndisk.root = { file = \"root.qcow2\", iothread = \"io0\" }"},
    {"throttle",
     "Limits for disks: requests and bytes a second. They hold for all disks that name it, together; 0 is no "
     "limit.",
     "", "object X: qom-type throttle-group", live, throttled},
    {"throttle.iops", "How many requests a second there may be.", "no limit", "object X: limits.iops-*", live,
     throttled},
    {"throttle.iops.total", "Requests a second, reads and writes together. It excludes read and write.",
     "no limit", "object X: limits.iops-total", live, throttled},
    {"throttle.iops.read", "Reads a second.", "no limit", "object X: limits.iops-read", live, directions},
    {"throttle.iops.write", "Writes a second.", "no limit", "object X: limits.iops-write", live, directions},
    {"throttle.iops.total-max",
     "What total may reach for a second in a burst. It needs total, and is not less.", "no bursts",
     "object X: limits.iops-total-max", live, throttled},
    {"throttle.iops.read-max", "What read may reach for a second in a burst. It needs read, and is not less.",
     "no bursts", "object X: limits.iops-read-max", live, directions},
    {"throttle.iops.write-max",
     "What write may reach for a second in a burst. It needs write, and is not less.", "no bursts",
     "object X: limits.iops-write-max", live, directions},
    {"throttle.bytes", "How many bytes a second there may be.", "no limit", "object X: limits.bps-*", live,
     throttled_bytes},
    {"throttle.bytes.total", "Bytes a second, read and written together. It excludes read and write.",
     "no limit", "object X: limits.bps-total", live, throttled_bytes},
    {"throttle.bytes.read", "Bytes read a second.", "no limit", "object X: limits.bps-read", live,
     directions_bytes},
    {"throttle.bytes.write", "Bytes written a second.", "no limit", "object X: limits.bps-write", live,
     directions_bytes},
    {"throttle.bytes.total-max",
     "What total may reach for a second in a burst. It needs total, and is not less.", "no bursts",
     "object X: limits.bps-total-max", live, throttled_bytes},
    {"throttle.bytes.read-max",
     "What read may reach for a second in a burst. It needs read, and is not less.", "no bursts",
     "object X: limits.bps-read-max", live, directions_bytes},
    {"throttle.bytes.write-max",
     "What write may reach for a second in a burst. It needs write, and is not less.", "no bursts",
     "object X: limits.bps-write-max", live, directions_bytes},
    {"secret",
     "A password or a key: one of file, env and credential. qvm reads it when the VM is started and sends it "
     "to QEMU; no plan, log, list of processes or state has it.",
     "", "object X: qom-type secret, and host resource X.secret", "", encrypted},
    {"secret.file", "The file whose content is the secret, a newline at its end included.", "",
     "host resource X.secret: path", "", encrypted},
    {"secret.env", "The variable of qvm's environment that holds the secret, without a $.", "",
     "host resource X.secret: env", "",
     "secret.vault.env = \"DISK_KEY\"\n"
     "disk.root = { file = \"root.qcow2\", encrypt = { secret = \"vault\" } }"},
    {"secret.credential", "The name of a credential of systemd's that is the secret, see systemd.exec(5).",
     "", "host resource X.secret: credential", "",
     "secret.vault.credential = \"disk-key\"\n"
     "disk.root = { file = \"root.qcow2\", encrypt = { secret = \"vault\" } }"},
});

}  // namespace

std::span<const KeyDoc> of_disks() {
    return disks;
}

}  // namespace qvm::config::docs
