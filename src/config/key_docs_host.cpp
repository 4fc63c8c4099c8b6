// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/key_docs_parts.hpp"

namespace qvm::config::docs {
namespace {

constexpr std::string_view limited =
    "while the VM runs, if its cgroup was made with limits of that kind; else at the next start";

constexpr auto keeping = std::to_array<KeyDoc>({
    {"lifecycle", "What becomes of the VM when something ends.", "", "", "",
     "lifecycle = { stop-timeout = \"2m\", on-reboot = \"stop\" }"},
    {"lifecycle.stop-timeout", "How long `qvm stop` waits for the guest.", "30s", "", live,
     "lifecycle.stop-timeout = \"2m\""},
    {"lifecycle.on-reboot",
     "What becomes of a guest that reboots, and of `qvm reset`: reset keeps the QEMU process, restart ends "
     "it and starts it anew, stop ends the VM.",
     "reset", "", "while the VM runs, but to and from restart at the next start",
     "lifecycle.on-reboot = \"restart\""},
    {"lifecycle.on-crash",
     "What becomes of a guest that panics and has a pvpanic device to say so. restart resets the machine.",
     "stop", "", live, "lifecycle.on-crash = \"pause\""},
    {"lifecycle.on-supervisor-death",
     "What becomes of the VM when its supervisor dies: it runs on until it gets a new one (`qvm adopt`), or "
     "it is ended at once.",
     "keep", "", next_start, "lifecycle.on-supervisor-death = \"kill\""},
    {"lifecycle.on-helper-death",
     "What becomes of the VM when a process dies that serves it (passt, swtpm, virtiofsd): it runs on "
     "without, and `qvm status` tells (report), it is stopped as by `qvm stop`, or it is stopped so and "
     "started again with all its helpers (restart). A QEMU that runs takes no new helper in the old one's "
     "place. Where the process that would start it again is gone, it is only stopped.",
     "report", "", "while the VM runs, but to and from restart at the next start",
     "lifecycle.on-helper-death = \"restart\""},
    {"lifecycle.hooks",
     "Programs of the host that are run when something happens to the VM. Each is a list of a program and "
     "its arguments, which no shell looks at; they run as who started the VM, and not in a jail.",
     "none", "", next_start, "lifecycle.hooks.started = [\"./notify\", \"web\"]"},
    {"lifecycle.hooks.started", "Run when the guest runs, at each start.", "none", "", next_start,
     "lifecycle.hooks.started = [\"./notify\", \"web\"]"},
    {"lifecycle.hooks.stopped", "Run when QEMU has ended, however that was.", "none", "", next_start,
     "lifecycle.hooks.stopped = [\"./notify\", \"web\"]"},
    {"lifecycle.hooks.crashed", "Run when the guest has panicked. It needs a pvpanic device that says so.",
     "none", "", next_start, "lifecycle.hooks.crashed = [\"./notify\", \"web\"]"},
    {"limits",
     "What all processes of the VM may take together, QEMU and its helpers. A cgroup of the VM's own keeps "
     "them.",
     "only pids", "the VM's cgroup", limited, "limits = { memory = \"3G\", cpu = 1.5 }\nmemory = \"2G\""},
    {"limits.memory",
     "The most memory, swap included. When the VM reaches it the kernel kills the VM, so it is the guest's "
     "memory and at least 256M more.",
     "no limit", "the VM's cgroup", limited, "limits.memory = \"3G\"\nmemory = \"2G\""},
    {"limits.cpu", "The most processor time, as a number of processors: 1.5 and \"150%\" are the same.",
     "no limit", "the VM's cgroup", limited, "limits.cpu = 1.5"},
    {"limits.pids", "The most processes and threads.", "counted from what the VM may need", "the VM's cgroup",
     limited, "limits.pids = 200"},
    {"limits.io",
     "The most bytes a second on each disk of the host that holds a file of the VM. Version 1 of cgroups "
     "counts only what goes past the page cache.",
     "no limit", "the VM's cgroup", limited, "limits.io = { read = \"100M\", write = \"50M\" }"},
    {"limits.io.read", "The most bytes read a second.", "no limit", "the VM's cgroup", limited,
     "limits.io.read = \"100M\""},
    {"limits.io.write", "The most bytes written a second.", "no limit", "the VM's cgroup", limited,
     "limits.io.write = \"50M\""},
    {"jail", "How QEMU is contained. qvm-jail(7) tells what the jail consists of.", "strict", "", next_start,
     "jail = { mode = \"strict\", root = \"files\" }"},
    {"jail.mode",
     "Strict: QEMU sees no file system, network or process of the host. Reduced, where the host allows no "
     "namespaces: QEMU is in the host's, and the rest of the jail holds. Off: no jail.",
     "strict", "", next_start, "jail.mode = \"reduced\""},
    {"jail.landlock",
     "Whether the kernel's Landlock is used, too: where there is one (auto), always (require), or not.",
     "auto", "", next_start, "jail.landlock = \"require\""},
    {"jail.on-violation",
     "What becomes of a system call that QEMU is not meant to make: it fails (errno), it fails and the "
     "kernel's log tells (log), or QEMU ends (kill).",
     "errno", "", next_start, "jail.on-violation = \"log\""},
    {"jail.binds-ro", "Files and directories of the host that QEMU sees at the same place, read-only.",
     "none", "", next_start, "jail.binds-ro = [\"/srv/firmware\"]"},
    {"jail.cgroup",
     "Whether there is a cgroup for the VM, which keeps its limits: where the system grants one (auto), "
     "always (require), or none.",
     "auto", "", next_start, "jail.cgroup = \"require\""},
    {"jail.root",
     "Whether QEMU is shown the directories of its libraries and data, or each of its own files by itself. "
     "files is an error with mode = \"reduced\".",
     "dirs", "", next_start, "jail.root = \"files\""},
    {"jail.net",
     "The network that QEMU itself is in: an empty one, or the host's. A [net.X] of type user works with "
     "either.",
     "none", "", next_start, "jail.net = \"host\""},
    {"jail.user",
     "The user of the host that QEMU and its helpers run as when root starts the VM. Never root; an ordinary "
     "user may only name himself.",
     "as root a uid that no other VM has", "", next_start, "jail.user = \"nobody\""},
    {"jail.uid-range",
     "Where the uid of a VM of root's comes from: \"FIRST-LAST\", none below 1000. It excludes user.",
     "1879048192 and up", "", next_start, "jail.uid-range = \"70000-79999\""},
    {"jail.io-uring", "Whether QEMU may use io_uring, as a disk with aio = \"io_uring\" does.", "false", "",
     next_start, "jail.io-uring = true"},
    {"jail.qemu-sandbox",
     "Whether QEMU's own filter is there, too. It ends the VM where the filter of qvm's answers with an "
     "error.",
     "false", "-sandbox, with everything denied", next_start, "jail.qemu-sandbox = true"},
    {"attach", "What clients of the attach socket may do.", "operate", "", live,
     "attach.allow = \"observe\""},
    {"attach.allow",
     "Clients may ask (observe), also do what names nothing of the host and starts nothing there (operate), "
     "or do anything (all).",
     "operate", "", live, "attach.allow = \"observe\""},
    {"qemu", "Which QEMU runs the VM. The short form is its binary.", "qemu-system-ARCH in PATH", "",
     next_start, "qemu = \"/opt/qemu/bin/qemu-system-x86_64\""},
    {"qemu.binary", "QEMU's program: a path, or a name that is looked up in PATH.",
     "qemu-system-ARCH of this host", "", next_start, "qemu.binary = \"/opt/qemu/bin/qemu-system-x86_64\""},
    {"qemu.loader", "The ELF interpreter that runs it, for one that is not installed in the usual places.",
     "its own", "", next_start,
     "[qemu]\nbinary = \"/opt/q/qemu-system-x86_64\"\nloader = \"/opt/q/lib/ld.so\""},
    {"qemu.library-path", "The directories of its libraries: one path or a list.", "the system's", "",
     next_start, "[qemu]\nbinary = \"/opt/q/qemu-system-x86_64\"\nlibrary-path = [\"/opt/q/lib\"]"},
    {"qemu.module-dir", "The directory of its modules.", qemus_own, "QEMU_MODULE_DIR", next_start,
     "[qemu]\nbinary = \"/opt/q/qemu-system-x86_64\"\nmodule-dir = \"/opt/q/lib/qemu\""},
    {"qemu.data", "The directories of its firmware and keymaps: one path or a list.", qemus_own, "-L",
     next_start, "[qemu]\nbinary = \"/opt/q/qemu-system-x86_64\"\ndata = [\"/opt/q/share/qemu\"]"},
});

constexpr std::string_view socket_example =
    "[host.bell]\n"
    "kind = \"socket\"\n"
    "runtime = \"bell.sock\"\n"
    "mode = \"listen\"\n"
    "[chardev.bell.backend]\n"
    "type = \"socket\"\n"
    "data.addr = { type = \"fd\", data.str = \"@bell\" }\n"
    "[device.bell]\n"
    "driver = \"pci-serial\"\n"
    "chardev = \"bell\"";
constexpr std::string_view process_example =
    "[host.px]\n"
    "kind = \"process\"\n"
    "profile = \"passt\"\n"
    "command = [\"passt\", \"-f\", \"--fd\", \"{fd}\"]\n"
    "[netdev.n]\n"
    "type = \"stream\"\n"
    "server = false\n"
    "addr = { type = \"fd\", str = \"@px\" }\n"
    "[device.n]\n"
    "driver = \"virtio-net-pci\"\n"
    "netdev = \"n\"";
constexpr std::string_view virtiofsd_example =
    "memory.share = true\n"
    "[host.fs]\n"
    "kind = \"process\"\n"
    "profile = \"virtiofsd\"\n"
    "command = [\"virtiofsd\", \"--fd={fd}\", \"--shared-dir={path}\"]\n"
    "path = \"/home/me/src\"\n"
    "loader = \"/opt/fs/lib/ld.so\"\n"
    "library-path = [\"/opt/fs/lib\"]\n"
    "[chardev.fs.backend]\n"
    "type = \"socket\"\n"
    "data = { addr = { type = \"fd\", data.str = \"@fs\" }, server = false }\n"
    "[device.fs]\n"
    "driver = \"vhost-user-fs-pci\"\n"
    "chardev = \"fs\"\n"
    "tag = \"src\"";
constexpr std::string_view file_example =
    "host.log = { kind = \"file\", path = \"serial.log\", access = \"wo\" }\n"
    "chardev.s.backend = { type = \"file\", data.out = \"@log\" }\n"
    "device.s = { driver = \"pci-serial\", chardev = \"s\" }";
constexpr std::string_view tap_example =
    "host.t = { kind = \"tap\", ifname = \"tap0\" }\n"
    "netdev.n = { type = \"tap\", fd = \"@t\" }\n"
    "device.n = { driver = \"virtio-net-pci\", netdev = \"n\" }";

constexpr std::string_view macvtap_example =
    "host.t = { kind = \"tap\", parent = \"eth0\", mac = \"52:54:00:12:34:56\" }\n"
    "netdev.n = { type = \"tap\", fd = \"@t\" }\n"
    "[device.n]\ndriver = \"virtio-net-pci\"\nnetdev = \"n\"\nmac = \"52:54:00:12:34:56\"";
constexpr std::string_view bridge_example =
    "host.t = { kind = \"tap\", bridge = \"br0\", queues = 2, mtu = 1500 }\n"
    "host.v = { kind = \"file\", path = \"/dev/vhost-net\", count = 2 }\n"
    "netdev.n = { type = \"tap\", fds = \"@t\", vhostfds = \"@v\" }\n"
    "device.n = { driver = \"virtio-net-pci\", netdev = \"n\", mq = true }";

constexpr std::string_view seed_example =
    "[host.seed]\nkind = \"seed\"\ninstance-id = \"one\"\nhostname = \"web\"\nuser = \"me\"\n"
    "ssh-keys = [\"id_ed25519.pub\"]\nuser-data-text = \"#cloud-config\"\n"
    "[blockdev.seed]\ndriver = \"raw\"\nread-only = true\nfile = { driver = \"file\", filename = \"@seed\" "
    "}\n"
    "[device.seed]\ndriver = \"virtio-blk-pci\"\ndrive = \"seed\"";
constexpr std::string_view seed_files_example =
    "[host.seed]\nkind = \"seed\"\ninstance-id = \"one\"\nuser-data = \"user-data.yaml\"\n"
    "network-config = \"network.yaml\"\n"
    "[blockdev.seed]\ndriver = \"raw\"\nread-only = true\nfile = { driver = \"file\", filename = \"@seed\" "
    "}\n"
    "[device.seed]\ndriver = \"virtio-blk-pci\"\ndrive = \"seed\"";

constexpr std::string_view command_example =
    "[[qmp]]\nat = \"post-start\"\nexecute = \"calc-dirty-rate\"\narguments = { calc-time = 1 }";

constexpr auto raw = std::to_array<KeyDoc>({
    {"object",
     "The arguments of object-add, without the id: qom-type and the object's properties. `qvm explain "
     "object.TYPE` tells them.",
     "", "object X", "",
     "object.rng1 = { qom-type = \"rng-random\", filename = \"/dev/urandom\" }\n"
     "device.rng1 = { driver = \"virtio-rng-pci\", rng = \"rng1\" }"},
    {"chardev",
     "The arguments of chardev-add, without the id: backend = { type = .., data = { .. } }. `qvm explain "
     "chardev.TYPE` tells the members of data.",
     "", "chardev X", "",
     "chardev.s.backend = { type = \"ringbuf\", data.size = 65536 }\n"
     "device.s = { driver = \"pci-serial\", chardev = \"s\" }"},
    {"blockdev",
     "The arguments of blockdev-add; X is the node's name, of at most 31 characters. backing = false is "
     "JSON's null. Not QEMU's are grow-to = SIZE and create = SIZE (or true: as large as its backing), which "
     "size of a [disk.X] becomes, ephemeral = true and copy-of = PATH. "
     "`qvm explain blockdev.DRIVER` tells the others.",
     "", "blockdev X", "",
     "blockdev.data = { driver = \"null-co\", size = \"1G\" }\n"
     "device.data = { driver = \"virtio-blk-pci\", drive = \"data\" }"},
    {"netdev",
     "The arguments of netdev_add, without the id: type and its members. `qvm explain netdev.TYPE` tells "
     "them.",
     "", "netdev X", "",
     "netdev.n = { type = \"hubport\", hubid = 0 }\n"
     "device.n = { driver = \"e1000e\", netdev = \"n\" }"},
    {"audiodev",
     "The members of -audiodev, without the id: driver and what it takes. `qvm explain audiodev.DRIVER` "
     "tells "
     "them, with QEMU 8.0 and later; an older one checks them itself when it starts. Of the drivers, none, "
     "spice and dbus work in the jail.",
     "", "audiodev X", next_start,
     "audiodev.a.driver = \"none\"\n"
     "device.a = { driver = \"AC97\", audiodev = \"a\" }"},
    {"device",
     "The arguments of device_add, without the id: driver and its properties. A device without bus is put on "
     "a free PCIe root port; device.X = false leaves it out. `qvm explain DRIVER` tells the properties.",
     "", "device X", "", "device.tea = { driver = \"edu\" }"},
    {"host",
     "Something of this host that QEMU gets as an open descriptor. \"@X\" in a member of a resource names "
     "it.",
     "", "a descriptor that is passed to QEMU", "", file_example},
    {"host.kind",
     "What it is: a file, a Unix socket, a tap interface, a helper process on the other end of a socket "
     "pair, a secret, a seed of cloud-init, or a USB device. It says which other keys there are.",
     "", "", replug, file_example},
    {"host.path",
     "The path of a file, of a socket, of the file that holds a secret, or of the directory in which a swtpm "
     "keeps the TPM's state or which a virtiofsd serves.",
     "of a swtpm tpm in the VM's state directory, else none", "", replug, file_example},
    {"host.access",
     "How a file is opened: ro reads, rw reads and writes, wo writes. Of a virtiofsd, whether what it serves "
     "can be changed (rw) or not (ro).",
     "rw", "", replug, file_example},
    {"host.mode", "Whether QEMU listens on the socket or is connected to it. Kind socket only.", "listen", "",
     replug, socket_example},
    {"host.runtime",
     "The name of the socket's file in the VM's runtime directory, in place of a path. Kind socket only.", "",
     "", replug, socket_example},
    {"host.address", "Where a socket listens that is not a Unix socket: ADDRESS:PORT. Kind socket only.", "",
     "", replug,
     "host.s = { kind = \"socket\", address = \"127.0.0.1:7000\" }\n"
     "[chardev.s.backend]\ntype = \"socket\"\ndata = { addr = { type = \"fd\", data.str = \"@s\" }, wait = "
     "false }\n"
     "[device.s]\ndriver = \"pci-serial\"\nchardev = \"s\""},
    {"host.protocol",
     "For a socket on which qvm itself listens: each client of it is handed to QEMU, by add_client with this "
     "protocol, spice or vnc. Without a supervisor nobody gets in who is not in already. Kind socket only.",
     "none: a socket is for what names it", "add_client for each", next_start,
     "host.s = { kind = \"socket\", runtime = \"s.sock\", protocol = \"vnc\" }\noption.vnc.vnc = \"none\""},
    {"host.ifname",
     "The tap interface, which is there or is made; of one in a bridge, made always. Kind tap only.",
     "the next free of qvm0, qvm1, .. in a bridge; else it has to be said", "", replug, tap_example},
    {"host.bridge", "The bridge in which an interface is made. Kind tap only.", "none", "", replug,
     bridge_example},
    {"host.queues", "How many descriptors of the interface there are, for fds of a netdev. Kind tap only.",
     "1", "", replug, bridge_example},
    {"host.mtu", "The MTU of an interface that is made. Kind tap only.", "the bridge's, else the kernel's",
     "", replug, bridge_example},
    {"host.parent", "The interface over which a macvtap is made. Kind tap only.", "none", "", replug,
     macvtap_example},
    {"host.mac", "The address of a macvtap, that of the nic on it. Kind tap only.", "", "", replug,
     macvtap_example},
    {"host.count", "How often a file is opened, for vhostfds of a netdev. Kind file only.", "1", "", replug,
     bridge_example},
    {"host.profile", "Which helper the process is. Kind process only.", "", "", replug, process_example},
    {"host.command",
     "The helper's program and arguments, in which {fd} is the number of its end of the socket pair, and "
     "{path} the directory of a swtpm or virtiofsd. Kind process only.",
     "", "", replug, process_example},
    {"host.loader", "The ELF interpreter that a virtiofsd is started with. Kind process only.", "its own", "",
     replug, virtiofsd_example},
    {"host.library-path", "The directories with the libraries of a virtiofsd. Kind process only.",
     "the system's", "", replug, virtiofsd_example},
    {"host.uid-map",
     "Which users of the host those of the guest are, to a virtiofsd, as uid-map of a share. Kind process "
     "only.",
     "there is one user", "", replug,
     "[host.fs]\nkind = \"process\"\nprofile = \"virtiofsd\"\npath = \"/srv/data\"\n"
     "command = [\"virtiofsd\", \"--fd={fd}\", \"--shared-dir={path}\",\n"
     "  \"--sandbox=none\"]\n"
     "uid-map = [\"0:100000:65536\"]\ngid-map = [\"0:100000:65536\"]"},
    {"host.gid-map", "The same of groups. Kind process only.", "there is one group", "", replug,
     "[host.fs]\nkind = \"process\"\nprofile = \"virtiofsd\"\npath = \"/srv/data\"\n"
     "command = [\"virtiofsd\", \"--fd={fd}\", \"--shared-dir={path}\",\n"
     "  \"--sandbox=none\"]\n"
     "uid-map = [\"0:100000:65536\"]\ngid-map = [\"0:100000:65536\"]"},
    {"host.env", "The variable of qvm's environment that holds the secret. Kind secret only.", "", "", "",
     "host.k = { kind = \"secret\", env = \"KEY\" }\n"
     "object.k = { qom-type = \"secret\", data = \"@k\" }\n"
     "[disk.root]\nfile = \"root.raw\"\nblockdev = { driver = \"luks\", key-secret = \"k\" }"},
    {"host.credential", "The name of a credential of systemd's that is the secret. Kind secret only.", "", "",
     "",
     "host.k = { kind = \"secret\", credential = \"disk-key\" }\n"
     "object.k = { qom-type = \"secret\", data = \"@k\" }\n"
     "[disk.root]\nfile = \"root.raw\"\nblockdev = { driver = \"luks\", key-secret = \"k\" }"},
    {"host.device", "Which USB device it is, as host-device.X.usb says it. Kind usb only.", "", "", replug,
     "host.k = { kind = \"usb\", device = \"046d:c52b\" }\n"
     "device.k = { driver = \"usb-host\", hostdevice = \"@k\" }"},
    {"host.user", "As in [cloud-init]. Kind seed only.", "", "", replug, seed_example},
    {"host.ssh-keys", "As in [cloud-init]. Kind seed only.", "", "", replug, seed_example},
    {"host.hostname", "As in [cloud-init]. Kind seed only.", "", "", replug, seed_example},
    {"host.user-data", "As in [cloud-init]. Kind seed only.", "", "", replug, seed_files_example},
    {"host.user-data-text", "As in [cloud-init]. Kind seed only.", "", "", replug, seed_example},
    {"host.network-config", "As in [cloud-init]. Kind seed only.", "", "", replug, seed_files_example},
    {"host.instance-id", "As in [cloud-init], but it has to be said. Kind seed only.", "", "", replug,
     seed_example},
    {"global",
     "Properties of every device of a driver: [global.\"DRIVER\"]. `qvm explain DRIVER` tells them.", "",
     "-global", next_start, "global.\"ICH9-LPC\" = { disable_s3 = 1 }"},
    {"option",
     "A command-line option that has no other form, with its parameters. [[option.\"NAME\"]] is for one that "
     "is given several times. `qvm explain option.NAME` tells the parameters.",
     "", "-NAME", next_start, "option.boot.menu = true"},
    {"qmp",
     "A command that QEMU gets when it starts, checked as all else is. \"@X\" in its arguments names a "
     "[host.X].",
     "", "the command", next_start, command_example},
    {"qmp.at", "When it is given: pre-start before the guest runs, post-start when it does.", "pre-start", "",
     next_start, command_example},
    {"qmp.execute",
     "The command. Those that make devices and the like, and those that begin and end a VM, have their own "
     "place in the file and are refused.",
     "", "", next_start, command_example},
    {"qmp.arguments", "The command's arguments.", "none", "", next_start, command_example},
    {"argv",
     "Words at the end of QEMU's command line, as they are. Nothing is checked, and no apply knows of them: "
     "it is the last resort.",
     "", "", next_start, "argv = [\"-d\", \"guest_errors\"]"},
});

}  // namespace

std::span<const KeyDoc> of_keeping() {
    return keeping;
}

std::span<const KeyDoc> of_raw() {
    return raw;
}

}  // namespace qvm::config::docs
